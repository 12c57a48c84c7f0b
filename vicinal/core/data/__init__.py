"""Labels, CSV tables, quarantine and splits."""
