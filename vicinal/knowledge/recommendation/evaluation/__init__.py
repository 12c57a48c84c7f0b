"""Hold items and users out, and score ranked lists."""
