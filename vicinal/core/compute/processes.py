"""Worker processes that use one thread each and end with the main process.

loky's processes work in notebooks and in scripts without a main guard.
"""

import os
import threading
import time
from typing import Any

PARENT_POLL_SECONDS = 1.0
"""seconds between two checks of a worker that the main process still runs"""


def process_pool(workers: int) -> Any:
    """Return a loky executor. Its workers are ended by `shutdown(kill_workers=True)`.

    A worker that dies breaks the executor: `is_broken_pool`.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    return ProcessPoolExecutor(
        max_workers=workers,
        initializer=_initialize_worker,
        initargs=(os.getpid(),),
        env={"OMP_NUM_THREADS": "1"},
    )


def is_broken_pool(error: BaseException) -> bool:
    """Return True for the error that a future raises if its worker died."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    return isinstance(error, BrokenProcessPool)


def _initialize_worker(parent: int) -> None:
    """Use one thread, and end with the main process."""
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=exit_with_parent, args=(parent,), daemon=True).start()


def exit_with_parent(parent: int) -> None:
    """End this process once `parent` has ended, even by SIGKILL."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)
