"""Readers of images from directories, tables, arrays and IDX files."""
