"""The commands, each written once for all domains."""
