"""Sections of the report of an image run."""
