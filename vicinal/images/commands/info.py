"""`info` for images: networks, pretrained weights and the cache."""

from typing import Any

from vicinal.images.data.cache import PixelCache
from vicinal.images.networks import NETWORKS
from vicinal.images.weights.pretrained import cached_weights
from vicinal.images.weights.registry import WEIGHTS


def info() -> dict[str, Any]:
    """Return the networks, where pretrained weights come from, and the cache."""
    cache, on_disk = PixelCache(), cached_weights()
    return {
        "image_networks": {name: _describe_network(name) for name in NETWORKS},
        "weights": {
            name: f"{'on disk; ' if name in on_disk else ''}{weights.origin}"
            for name, weights in WEIGHTS.items()
        },
        "cache": {
            "directory": str(cache.directory),
            "gigabytes": round(cache.size() / 1e9, 3),
            "limit_gigabytes": round(cache.limit / 1e9, 1),
        },
    }


def _describe_network(name: str) -> str:
    network = NETWORKS[name]
    parameters = f"{network.parameters:,} parameters, " if network.parameters else ""
    return f"{parameters}{network.image_size} pixels, {network.paper}"
