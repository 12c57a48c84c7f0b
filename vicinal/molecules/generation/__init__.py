"""New molecules, grown fragment by fragment."""
