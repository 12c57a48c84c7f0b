"""Attributions of image predictions, tested against random controls."""
