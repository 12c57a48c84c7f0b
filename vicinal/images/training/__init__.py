"""Linear probe, fine-tuning, augmentation and time budget."""
