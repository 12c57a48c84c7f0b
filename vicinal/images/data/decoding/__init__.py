"""Decode, orient, resize and normalise images."""
