"""What the commands do for images."""
