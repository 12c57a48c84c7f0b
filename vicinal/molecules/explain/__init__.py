"""Explanations of predictions for molecules: atoms, neighbours, drawings."""
