"""Split images honestly: duplicates, near duplicates and groups stay in one split."""
