"""`info` for graphs: the networks."""

from vicinal.graphs.nodes.networks import NETWORKS


def info() -> dict[str, dict[str, str]]:
    """Return the depth and the paper of each graph network."""
    networks = {name: f"{n.layers} layers, {n.paper}" for name, n in NETWORKS.items()}
    return {"graph_networks": networks}
