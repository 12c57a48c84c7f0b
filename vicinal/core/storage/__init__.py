"""Files, downloads, checkpoints and run directories."""
