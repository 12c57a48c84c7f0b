"""Near-duplicate search and train, validation and test splits."""
