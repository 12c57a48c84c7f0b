"""Read files and directories that hold whole graphs."""
