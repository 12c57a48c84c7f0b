"""Models that complete a knowledge graph: rules, embeddings, a graph network."""
