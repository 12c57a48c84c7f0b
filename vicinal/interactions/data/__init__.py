"""Tables of drugs, the sets in which they are taken, and the effects of these."""
