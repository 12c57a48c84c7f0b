"""`vicinal info`: what is here."""

import platform
from typing import Any

import torch

from vicinal.core.compute.runtime import find_device
from vicinal.core.compute.threads import cores
from vicinal.core.storage.run_folder import environment
from vicinal.graphs.nodes.networks import NETWORKS as GRAPHS
from vicinal.images.data.cache import PixelCache
from vicinal.images.networks import NETWORKS
from vicinal.images.weights.pretrained import WEIGHTS, on_disk


def about() -> dict[str, Any]:
    """Versions, device, networks, trained weights and caches."""
    told = environment()
    cache = PixelCache()
    return {
        "vicinal": told["vicinal"],
        "python": told["python"],
        "packages": told["packages"],
        "system": told["system"],
        "processor": platform.processor() or platform.machine(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "device": find_device(),
        "networks": {name: _described(name) for name in NETWORKS},
        "networks for graphs": {
            name: f"{one.layers} layers, {one.paper}" for name, one in GRAPHS.items()
        },
        "weights": {name: _origin(name) for name in WEIGHTS},
        "cache": {
            "folder": str(cache.folder),
            "gigabytes": round(cache.size() / 1e9, 3),
            "limit in gigabytes": round(cache.limit / 1e9, 1),
        },
    }


def _origin(name: str) -> str:
    """Where trained weights are from, and whether they are here."""
    here = "on disk; " if name in on_disk() else ""
    return f"{here}{WEIGHTS[name].origin}"


def _described(name: str) -> str:
    network = NETWORKS[name]
    parameters = f"{network.parameters:,} parameters, " if network.parameters else ""
    return f"{parameters}{network.image_size} pixels, {network.paper}"
