"""Features and networks of whole graphs."""
