"""Features of entities: degrees, facts, positions, labels of other entities."""
