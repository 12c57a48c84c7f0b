"""Scores with intervals, significance, calibration and label issues."""
