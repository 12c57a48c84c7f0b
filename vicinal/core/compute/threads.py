"""Ordered, memory-bounded work in threads; what a forked process may not use.

Decoding an image releases the GIL, so threads use every core.
"""

import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def num_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_network_lock = threading.RLock()


def network_lock() -> AbstractContextManager:
    """Return the lock that is held while a network runs or is traced.

    torch's tracers change what modules do in every thread, its number of threads is one
    of the process, and a compiled network runs once at a time. Code that holds the lock
    must not wait for a thread that needs it.
    """
    return _network_lock


def _use_one_thread() -> None:
    """Let torch use one thread in a forked process, as torch's DataLoader does.

    The threads of OpenMP exist in the parent only, and the child would wait for them.
    """
    global _network_lock
    _network_lock = threading.RLock()  # a thread of the parent may have held it
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)


def is_distributed() -> bool:
    """Return True if torchrun started this process as one of several."""
    several = os.environ.get("WORLD_SIZE", "1") not in ("", "1")
    return several and {"RANK", "MASTER_ADDR"} <= os.environ.keys()


def is_worker() -> bool:
    """Return True for a rank above 0 of a distributed training."""
    return is_distributed() and os.environ["RANK"] != "0"


def call_interruptibly(work: Callable[[], R]) -> R:
    """Return `work()`, which may wait outside Python: a signal raises meanwhile."""
    done: Future[R] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result()


def ordered_map(
    work: Callable[[T], R], items: Iterable[T], threads: int | None = None
) -> Iterator[R]:
    """Yield `work(item)` in the order of items, computed in threads.

    Only a few items per thread are in progress at once, which bounds memory.
    """
    threads = threads or num_cores()
    items = iter(items)
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in islice(items, 4 * threads):
                pending.append(pool.submit(work, item))
            while pending:
                result = pending.popleft().result()
                for item in islice(items, 1):
                    pending.append(pool.submit(work, item))
                yield result
        finally:
            for future in pending:
                future.cancel()


_END = object()


def prefetch(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """Yield items that one thread produces ahead of time, `depth` of them at most.

    An exception in the thread is raised here; leaving the loop early stops the thread.
    """
    ready: queue.Queue = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(value: object) -> bool:
        while not stop.is_set():
            try:
                ready.put(value, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def fill() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((_END, None))
        except BaseException as error:
            put((_END, error))

    worker = threading.Thread(target=fill, daemon=True)
    worker.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        worker.join()
