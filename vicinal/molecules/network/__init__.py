"""The graph network of molecules: mini-batches, the network, one for each fold."""
