"""Worker processes end with the main process, and say when they died."""

import os
import time

import pytest

from vicinal.core.compute.processes import (
    exit_with_parent,
    is_broken_pool,
    process_pool,
)


def test_a_worker_ends_with_the_main_process(monkeypatch):
    def end(code: int) -> None:
        raise SystemExit(code)

    naps: list[float] = []
    parents = [10, 10, 1]  # the last after the main process was killed
    monkeypatch.setattr(os, "getppid", lambda: parents.pop(0))
    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(time, "sleep", naps.append)
    with pytest.raises(SystemExit):
        exit_with_parent(10)
    assert len(naps) == 2


def test_a_worker_uses_one_thread_and_its_death_is_known():
    pool = process_pool(1)
    try:
        assert pool.submit(threads_of_torch).result() == 1
        with pytest.raises(Exception) as caught:
            pool.submit(os._exit, 3).result()
        assert is_broken_pool(caught.value)
        assert not is_broken_pool(ValueError())
    finally:
        pool.shutdown(kill_workers=True)


def threads_of_torch() -> int:
    """Return the number of threads that torch uses."""
    import torch

    return torch.get_num_threads()
