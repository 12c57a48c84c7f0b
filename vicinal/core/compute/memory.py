"""Free memory for this process, within the limits of containers; malloc settings."""

import ctypes
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
DEFAULT_FREE = 4e9
"""bytes assumed where the system does not say"""


class CgroupFiles(NamedTuple):
    """File names of a version of Linux control groups."""

    limit: str
    used: str
    cached: str
    """line of memory.stat: page cache, freed when memory runs short"""


V1 = CgroupFiles(
    "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
)
V2 = CgroupFiles("memory.max", "memory.current", "inactive_file")


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""parameters of glibc's mallopt(3)"""


@functools.cache
def keep_memory() -> bool:
    """Make malloc keep large freed blocks; return False if that is not possible.

    glibc returns freed blocks of many megabytes to the system, and the next step faults
    them in again, page by page, which took a sixth of a training step. Memory stays at
    its peak. VICINAL_KEEP_MEMORY=0 disables it.
    """
    if os.environ.get("VICINAL_KEEP_MEMORY") == "0":
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 2**30) and mallopt(M_TRIM_THRESHOLD, 2**30))


def free_memory() -> float:
    """Return the bytes that are free now; 4 GB where the system does not say.

    The minimum of the machine's free memory and of what remains in each control group
    of this process (the limits of containers and job schedulers).
    """
    return min([_machine_free(), *_cgroups_free()])


def free_device_memory(device: str) -> float:
    """Return the free bytes of an accelerator; 0 if unknown."""
    import torch

    query = getattr(getattr(torch, torch.device(device).type), "mem_get_info", None)
    return float(query(device)[0]) if query else 0.0


def _machine_free() -> float:
    lines = _text(PROC / "meminfo").splitlines()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    available = values.get("MemAvailable", "").split()
    return float(available[0]) * 1024 if available else DEFAULT_FREE


def _cgroups_free() -> Iterator[float]:
    """Yield the free bytes of each control group of this process, up to the root."""
    for line in _text(PROC / "self" / "cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        files, root = (V1, CGROUPS / "memory") if controllers else (V2, CGROUPS)
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if (free := _cgroup_free(folder, files)) is not None:
                yield free
            if folder == root:
                break


def _cgroup_free(folder: Path, files: CgroupFiles) -> float | None:
    """Return the free bytes of a control group; None without a limit."""
    limit, used = _text(folder / files.limit), _text(folder / files.used)
    if not limit.strip().isdigit() or not used.strip().isdigit():
        return None
    lines = (line.split() for line in _text(folder / "memory.stat").splitlines())
    cached = sum(float(words[1]) for words in lines if words[0] == files.cached)
    return max(0.0, float(limit) - float(used) + cached)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
