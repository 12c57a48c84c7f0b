"""Look inside a network: layers, filters, feature maps, single numbers."""
