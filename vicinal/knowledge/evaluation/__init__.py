"""Ranks of right answers, splits and calibration."""
