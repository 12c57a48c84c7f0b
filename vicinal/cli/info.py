"""`vicinal info`: versions, device, networks, pretrained weights and cache."""

import platform
from typing import Any

import torch

from vicinal.core.compute.runtime import find_device
from vicinal.core.compute.threads import num_cores
from vicinal.core.storage.run_folder import environment
from vicinal.graphs.nodes.networks import NETWORKS as GRAPH_NETWORKS
from vicinal.images.data.cache import PixelCache
from vicinal.images.networks import NETWORKS
from vicinal.images.weights.pretrained import cached_weights
from vicinal.images.weights.registry import WEIGHTS


def describe_installation() -> dict[str, Any]:
    """Return versions, device, networks, pretrained weights and cache."""
    versions, cache = environment(), PixelCache()
    return {
        "vicinal": versions["vicinal"],
        "python": versions["python"],
        "packages": versions["packages"],
        "system": versions["system"],
        "processor": platform.processor() or platform.machine(),
        "cores": num_cores(),
        "threads": torch.get_num_threads(),
        "device": find_device(),
        "image_networks": {name: _describe_network(name) for name in NETWORKS},
        "graph_networks": {
            name: f"{network.layers} layers, {network.paper}"
            for name, network in GRAPH_NETWORKS.items()
        },
        "weights": {name: _describe_weights(name) for name in WEIGHTS},
        "cache": {
            "directory": str(cache.directory),
            "gigabytes": round(cache.size() / 1e9, 3),
            "limit_gigabytes": round(cache.limit / 1e9, 1),
        },
    }


def _describe_weights(name: str) -> str:
    """Return where pretrained weights come from, and whether they are on disk."""
    here = "on disk; " if name in cached_weights() else ""
    return f"{here}{WEIGHTS[name].origin}"


def _describe_network(name: str) -> str:
    network = NETWORKS[name]
    parameters = f"{network.parameters:,} parameters, " if network.parameters else ""
    return f"{parameters}{network.image_size} pixels, {network.paper}"
