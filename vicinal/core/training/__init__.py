"""The training loop, its optimizer and history, and linear heads."""
