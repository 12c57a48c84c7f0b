"""Molecules: tables of SMILES, their properties, and predictions of them."""
