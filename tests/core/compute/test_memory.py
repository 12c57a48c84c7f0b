"""Free memory: the minimum over the machine and its control groups."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vicinal.core.compute import memory
from vicinal.core.compute.memory import DEFAULT_FREE, free_device_memory, free_memory

GB = 10**9
MEMINFO = "MemTotal:  9999999 kB\nMemAvailable:  1953125 kB\n"  # 2 GB


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A function that writes files of /proc and /sys/fs/cgroup."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    monkeypatch.setattr(memory, "PROC", proc)
    monkeypatch.setattr(memory, "CGROUPS", groups)

    def write(files: dict[str, object]) -> None:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(text))

    return write


def v2(folder: str, limit: object, used: int, cached: int = 0) -> dict[str, object]:
    return {
        f"cgroup/{folder}memory.max": f"{limit}\n",
        f"cgroup/{folder}memory.current": f"{used}\n",
        f"cgroup/{folder}memory.stat": f"anon 7\ninactive_file {cached}\nfile 9\n",
    }


def v1(folder: str, limit: int, used: int, cached: int = 0) -> dict[str, object]:
    stat = f"inactive_file 1\ntotal_inactive_file {cached}\n"
    return {
        f"cgroup/memory/{folder}memory.limit_in_bytes": f"{limit}\n",
        f"cgroup/memory/{folder}memory.usage_in_bytes": f"{used}\n",
        f"cgroup/memory/{folder}memory.stat": stat,
    }


def test_this_machine_has_free_memory():
    assert 1e6 < free_memory() < 1e14


def test_the_default_without_any_information(system):
    assert free_memory() == DEFAULT_FREE
    system({"proc/meminfo": "MemTotal: 5 kB\n\n"})
    assert free_memory() == DEFAULT_FREE


def test_control_groups_without_limits(system):
    system({"proc/meminfo": MEMINFO})
    assert free_memory() == 2 * GB
    system({"proc/self/cgroup": "0::/job\nstrange\n", **v2("job/", "max", GB)})
    assert free_memory() == 2 * GB
    system(v2("job/", 8 * GB, GB))
    assert free_memory() == 2 * GB


def test_the_limits_of_a_group_and_its_parents(system):
    system({"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/job/step\n"})
    system(v2("job/step/", GB, GB // 2))
    assert free_memory() == GB // 2
    system(v2("job/step/", GB, GB // 2, cached=GB // 4))
    assert free_memory() == 3 * GB // 4
    system(v2("job/", GB, 9 * GB // 10))
    assert free_memory() == GB // 10
    system(v2("", GB, 2 * GB))
    assert free_memory() == 0


def test_version_1_and_a_missing_path(system):
    system({"proc/meminfo": MEMINFO})
    system({"proc/self/cgroup": "9:cpu:/a\n4:hugetlb,memory:/docker/b\n0::/\n"})
    system(v1("", 2**63 - 4096, GB))
    assert free_memory() == 2 * GB
    system(v1("", GB, GB // 2, cached=GB // 10))
    assert free_memory() == pytest.approx(0.6 * GB)


def test_files_that_are_not_text(system, tmp_path):
    system({"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n"})
    (tmp_path / "cgroup").mkdir()
    Path(tmp_path / "cgroup" / "memory.max").write_bytes(b"\xff")
    assert free_memory() == 2 * GB


FAULTS = """
import resource, sys
import numpy as np
from vicinal.core.compute.memory import keep_memory

if sys.argv[1] == "keep":
    assert keep_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(48_000_000, np.uint8)  # taken, written and given back
before = faults()
for _ in range(5):
    np.ones(48_000_000, np.uint8)
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's settings")
def test_large_freed_blocks_are_reused():
    def faults(how: str) -> int:
        command = [sys.executable, "-c", FAULTS, how]
        env = os.environ | {"VICINAL_KEEP_MEMORY": "1"}
        done = subprocess.run(command, capture_output=True, check=True, env=env)
        return int(done.stdout)

    assert faults("keep") < faults("leave") / 10


def test_free_memory_of_an_accelerator(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 9))
    assert free_device_memory("cuda") == free_device_memory("cuda:1") == 7
    assert free_device_memory("cpu") == 0  # there is no such thing
