"""Inference engines, out-of-distribution detection and pixel statistics."""
