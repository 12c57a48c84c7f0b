"""What the report of molecules shows beside the sections of every domain."""
