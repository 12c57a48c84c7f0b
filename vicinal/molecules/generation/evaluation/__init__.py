"""How good a generator and its molecules are."""
