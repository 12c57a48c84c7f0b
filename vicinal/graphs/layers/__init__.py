"""Graph layers: one paper per module, its equation, and code in the same letters.

gcn          mean over a node and its neighbours, normalised by degree
sage         separate weights for a node and its neighbours; inductive
gat, gatv2   attention over neighbours
gin, gine    sums over neighbours, the most expressive; with edge features
dmpnn        messages on directed edges, such as bonds
appnp        predict first, then propagate
gcnii        deep GCN with residual connections to the input
relational   separate weights for each relation
readout      pooling of the nodes of each graph

Every layer takes x [N, F] and an `Adjacency`; aggregation is `sparse.aggregation`.
"""
