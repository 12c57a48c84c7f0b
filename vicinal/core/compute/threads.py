"""Ordered, memory-bounded work in threads.

Decoding an image releases the GIL, so threads use every core.
"""

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def num_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_distributed() -> bool:
    """Return True if torchrun started this process as one of several."""
    several = os.environ.get("WORLD_SIZE", "1") not in ("", "1")
    return several and {"RANK", "MASTER_ADDR"} <= os.environ.keys()


def is_worker() -> bool:
    """Return True for a rank above 0 of a distributed training."""
    return is_distributed() and os.environ["RANK"] != "0"


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
