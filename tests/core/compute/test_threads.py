"""Ordered work in threads: equal to `map`, bounded, without deadlocks."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.core.compute import openvino
from vicinal.core.compute.runtime import Runtime
from vicinal.core.compute.threads import (
    call_interruptibly,
    network_lock,
    num_cores,
    ordered_map,
    prefetch,
)

sweep = settings(max_examples=30, deadline=None, database=None)


def within(seconds: float, work: Callable[[], object]) -> None:
    """Do the work, and fail where it is still at it after some seconds."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"still at work after {seconds} s: stuck"


class Counted:
    """Whole numbers, and how many of them were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[int]:
        for n in range(1000):
            self.taken += 1
            yield n


def settle(value: Callable[[], int]) -> int:
    """The value once it has stood still for a while."""
    before, now = -1, value()
    while before != now:
        time.sleep(0.03)
        before, now = now, value()
    return now


@sweep
@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 5))
def test_ordered_map_equals_map(waits, threads):
    def work(wait: int) -> int:
        time.sleep(wait / 5000)
        return wait * wait

    assert list(ordered_map(work, waits, threads)) == [w * w for w in waits]


def test_ordered_map_uses_all_cores_by_default():
    assert num_cores() >= 1
    assert list(ordered_map(str, range(100))) == [str(n) for n in range(100)]


def test_items_are_processed_in_parallel():
    groups = threading.Barrier(3)
    done = ordered_map(lambda _: groups.wait(timeout=5), range(6), threads=3)
    assert sorted(done) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_few_items_are_in_progress_at_once(threads):
    items = Counted()
    results = ordered_map(lambda n: n, items, threads)
    assert items.taken == 0
    for messages in range(1, 30):
        next(results)
        assert items.taken <= messages + 4 * threads
    results.close()  # pyright: ignore[reportAttributeAccessIssue]


def test_an_error_is_raised_in_order_and_cancels_the_rest():
    def work(n: int) -> int:
        if n == 5:
            raise KeyError("five")
        return n

    items, got = Counted(), []
    with pytest.raises(KeyError, match="five"):
        got += iter_into(got, ordered_map(work, items, 2))
    assert got == [0, 1, 2, 3, 4]
    assert settle(lambda: items.taken) <= 5 + 8


def iter_into(got: list, results: Iterator) -> list:
    for result in results:
        got.append(result)
    return []


@pytest.mark.parametrize("make", [lambda i: ordered_map(abs, i, 2), prefetch])
def test_an_error_of_the_iterable_is_raised(make):
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    got: list[int] = []
    with pytest.raises(OSError, match="gone"):
        iter_into(got, make(items()))
    assert got in ([1, 2], [])  # ordered_map reads ahead, so it may come early


def test_leaving_early_cancels_the_rest():
    started_at: list[int] = []
    go_on, busy = threading.Event(), threading.Semaphore(0)

    def work(n: int) -> int:
        started_at.append(n)
        if n == 0:
            return n
        busy.release()
        return go_on.wait(5)

    def leave() -> None:
        results = ordered_map(work, count(), 2)
        assert next(results) == 0
        assert busy.acquire(timeout=5) and busy.acquire(timeout=5)  # both threads work
        threading.Timer(0.05, go_on.set).start()
        results.close()  # pyright: ignore[reportAttributeAccessIssue]

    within(5, leave)
    assert sorted(started_at) == [0, 1, 2]  # the one read, and one in each thread


@sweep
@given(st.lists(st.integers()), st.integers(1, 4))
def test_prefetch_yields_the_same_items(items, depth):
    assert list(prefetch(items, depth)) == items


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_prefetch_is_ahead_by_depth(depth):
    items = Counted()
    ready = prefetch(items, depth)
    assert items.taken == 0
    for messages in range(1, 5):
        next(ready)
        assert settle(lambda: items.taken) == messages + depth + 1
    within(5, ready.close)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("read", [0, 1, 3])
def test_prefetch_stops_its_thread_when_the_loop_ends_early(read):
    before = threading.active_count()

    def leave() -> None:
        ready = prefetch(count())
        assert list(islice(ready, read)) == list(range(read))
        ready.close()  # pyright: ignore[reportAttributeAccessIssue]

    within(5, leave)
    assert threading.active_count() == before


def test_prefetch_stops_its_thread_when_the_loop_fails():
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        for n in prefetch(count(1)):
            _ = 1 // (3 - n)
    assert settle(threading.active_count) == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_inside_prefetch_comes_after_the_items(error):
    def items() -> Iterator[int]:
        yield from (1, 2, 3)
        raise error("inside")

    got: list[int] = []
    with pytest.raises(error, match="inside"):
        iter_into(got, prefetch(items()))
    assert got == [1, 2, 3]


def test_prefetch_of_ordered_map():
    squares = prefetch(ordered_map(lambda n: n * n, range(50), 3))
    assert list(squares) == [n * n for n in range(50)]


def in_a_fork(work: Callable[[], bool]) -> bool:
    """Return `work()` of a forked process; False where it hangs or fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads are the point
        child = os.fork()
    if not child:
        os._exit(0 if work() else 1)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def test_a_fork_computes_although_its_parent_used_threads():
    """By default it waits for OpenMP's threads, which only the parent has."""
    convolution, x = torch.nn.Conv2d(3, 16, 3), torch.rand(16, 3, 32, 32)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.inference_mode(), network_lock():  # held by the parent's thread
            expected = convolution(x)

            def compute() -> bool:
                with Runtime().threaded(), torch.inference_mode():
                    return torch.allclose(convolution(x), expected, atol=1e-5)

            assert in_a_fork(compute)
            assert in_a_fork(lambda: torch.get_num_threads() == 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_fork_does_not_use_the_openvino_of_its_parent(monkeypatch):
    monkeypatch.setattr(openvino, "_first_process", 0)
    assert in_a_fork(lambda: not openvino.is_lost())
    monkeypatch.setattr(openvino, "_first_process", os.getpid())
    assert not openvino.is_lost()
    assert in_a_fork(openvino.is_lost)


@pytest.mark.skipif(not openvino.is_installed(), reason="needs the extra `fast`")
def test_a_fork_while_openvino_is_imported_does_not_import_it(monkeypatch):
    """The lock of the import is held by a thread that the fork lacks."""
    found = []

    def import_module(name: str) -> str:
        found.append(
            in_a_fork(lambda: openvino.is_lost() and not openvino.is_installed())
        )
        return name

    monkeypatch.setattr(openvino, "_first_process", 0)
    monkeypatch.setattr(openvino.importlib, "import_module", import_module)
    assert openvino.import_openvino() == "openvino" and found == [True]


@pytest.mark.parametrize("threads", [1_000_000, -1])
def test_a_model_file_cannot_ask_for_more_threads_than_cores(threads):
    before = torch.get_num_threads()
    with Runtime(threads=threads).threaded():
        assert 1 <= torch.get_num_threads() <= max(num_cores(), before)
    assert torch.get_num_threads() == before


def test_a_call_in_a_thread_returns_or_raises():
    assert call_interruptibly(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        call_interruptibly(lambda: 1 // 0)
