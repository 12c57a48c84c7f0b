"""Ctrl-C and SIGTERM: the first stops after the current step, the second at once."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns True once a stop was requested.

    The first signal only sets it, so that work can be saved; the second one raises
    KeyboardInterrupt. The previous handlers are restored at the end.
    """
    requested = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

    before = {number: signal.signal(number, remember) for number in SIGNALS}
    try:
        yield lambda: requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
