"""Looking inside what is said of a node: its surroundings, and every sum on the way."""
