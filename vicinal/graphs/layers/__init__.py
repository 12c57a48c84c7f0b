"""Layers for graphs: one paper, one file; the equation, then code in its letters.

gcn          mean of itself and its neighbours, by degree
sage         itself and its neighbours, side by side; for nodes never seen
gat, gatv2   attention: whom to listen to
gin, gine    sums, which tell the most apart; with features of edges
appnp        predict first, then spread
gcnii        deep, with the first layer always in view
relational   weights for each kind of edge
readout      what the nodes of a graph say together

Each takes x [N, F] and an `Adjacency`, and the sums are `adjacency.aggregate`.
"""
