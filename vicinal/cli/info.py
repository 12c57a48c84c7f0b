"""`vicinal info`: versions, device, and what each domain has to say."""

import platform
from typing import Any

import torch

from vicinal.core.compute.runtime import find_device
from vicinal.core.compute.threads import num_cores
from vicinal.core.domain import import_object
from vicinal.core.storage.run_folder import environment
from vicinal.domains import DOMAINS


def describe_installation() -> dict[str, Any]:
    """Return versions, device, networks, pretrained weights and cache."""
    versions = environment()
    found = {
        "vicinal": versions["vicinal"],
        "python": versions["python"],
        "packages": versions["packages"],
        "system": versions["system"],
        "processor": platform.processor() or platform.machine(),
        "cores": num_cores(),
        "threads": torch.get_num_threads(),
        "device": find_device(),
    }
    for domain in DOMAINS:
        if domain.info is not None:
            found |= import_object(domain.info)()
    return found
