"""How much memory is free for this process, and how it keeps what it has taken."""

import ctypes
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
UNKNOWN = 4e9


class Files(NamedTuple):
    """Names of the files in which a version of Linux's control groups tells bytes."""

    limit: str
    used: str
    cached: str
    """line of memory.stat: file contents in memory, given up when memory runs short"""


V1 = Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = Files("memory.max", "memory.current", "inactive_file")


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""names of glibc's settings, man 3 mallopt"""


@functools.cache
def keep_memory() -> bool:
    """Have the process keep large blocks that it frees, for the next step to use.

    glibc gives a freed block of many megabytes back to the system, and the next step
    asks for it again, page by page: a sixth of a training step was spent so. Memory
    stays at its peak. False where the C library is another one, or where
    VICINAL_KEEP_MEMORY is 0.
    """
    if os.environ.get("VICINAL_KEEP_MEMORY") == "0":
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 2**30) and mallopt(M_TRIM_THRESHOLD, 2**30))


def free_memory() -> float:
    """Bytes that are free now; 4 GB where the system does not say.

    The least of what the machine has free and of what each control group that this
    process is in leaves (containers and job schedulers set limits so).
    """
    return min([_of_the_machine(), *_of_the_groups()])


def free_on(device: str) -> float:
    """Bytes that are free on an accelerator; 0 where it does not say."""
    import torch

    tell = getattr(getattr(torch, torch.device(device).type), "mem_get_info", None)
    return float(tell(device)[0]) if tell else 0.0


def _of_the_machine() -> float:
    lines = _text(PROC / "meminfo").splitlines()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    known = values.get("MemAvailable", "").split()
    return float(known[0]) * 1024 if known else UNKNOWN


def _of_the_groups() -> Iterator[float]:
    """Bytes free in each group that this process is in, from its own to the root."""
    for line in _text(PROC / "self" / "cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        files, root = (V1, CGROUPS / "memory") if controllers else (V2, CGROUPS)
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if (free := _of_a_group(folder, files)) is not None:
                yield free
            if folder == root:
                break


def _of_a_group(folder: Path, files: Files) -> float | None:
    """Bytes free in a group; None where it has no limit."""
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
