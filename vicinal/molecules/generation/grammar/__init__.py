"""Molecules cut into fragments, and joined from them."""
