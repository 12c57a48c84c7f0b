"""Free memory: the least of what the machine and its control groups leave."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vicinal.core.compute import memory
from vicinal.core.compute.memory import UNKNOWN, free_memory, free_on

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


def test_this_machine_has_some():
    assert 1e6 < free_memory() < 1e14


def test_where_nothing_is_told(system):
    assert free_memory() == UNKNOWN
    system({"proc/meminfo": "MemTotal: 5 kB\n\n"})
    assert free_memory() == UNKNOWN


def test_without_limits(system):
    system({"proc/meminfo": MEMINFO})
    assert free_memory() == 2 * GB
    system({"proc/self/cgroup": "0::/job\nstrange\n", **v2("job/", "max", GB)})
    assert free_memory() == 2 * GB
    system(v2("job/", 8 * GB, GB))
    assert free_memory() == 2 * GB


def test_the_limit_of_a_group_and_of_those_above_it(system):
    system({"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/job/step\n"})
    system(v2("job/step/", GB, GB // 2))
    assert free_memory() == GB // 2
    system(v2("job/step/", GB, GB // 2, cached=GB // 4))
    assert free_memory() == 3 * GB // 4
    system(v2("job/", GB, 9 * GB // 10))
    assert free_memory() == GB // 10
    system(v2("", GB, 2 * GB))
    assert free_memory() == 0


def test_the_first_version_and_a_path_that_is_not_there(system):
    system({"proc/meminfo": MEMINFO})
    system({"proc/self/cgroup": "9:cpu:/a\n4:hugetlb,memory:/docker/b\n0::/\n"})
    system(v1("", 2**63 - 4096, GB))
    assert free_memory() == 2 * GB
    system(v1("", GB, GB // 2, cached=GB // 10))
    assert free_memory() == pytest.approx(0.6 * GB)


def test_bytes_that_are_no_text(system, tmp_path):
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
def test_large_blocks_that_were_given_back_are_used_again():
    def faults(how: str) -> int:
        command = [sys.executable, "-c", FAULTS, how]
        env = os.environ | {"VICINAL_KEEP_MEMORY": "1"}
        done = subprocess.run(command, capture_output=True, check=True, env=env)
        return int(done.stdout)

    assert faults("keep") < faults("leave") / 10


def test_free_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 9))
    assert free_on("cuda") == free_on("cuda:1") == 7
    assert free_on("cpu") == 0  # there is no such thing
