"""Fingerprints, descriptors and the models that are fitted to them in seconds."""
