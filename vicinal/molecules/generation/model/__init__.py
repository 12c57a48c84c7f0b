"""How likely a fragment is at an attachment point: counts, and a network."""
