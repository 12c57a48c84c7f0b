"""Read molecules from tables and files."""
