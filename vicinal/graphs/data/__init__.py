"""Read graphs from tables, edge lists, files and Python objects."""
