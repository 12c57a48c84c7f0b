"""New molecules as tables, files and pages."""
