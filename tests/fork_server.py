"""Run programs in forks of a process that has done all imports.

An import of torch takes seconds, a fork milliseconds. A line on stdin is a list of
programs to run at the same time and the seconds after which they are killed; the
reply holds exit code, stdout and stderr of each. The fixture `run_in_forks` is the
client.
"""

import gc
import json
import os
import signal
import sys
import tempfile
import time
import types


class Program:
    """Code with arguments and an environment, in a fork."""

    def __init__(
        self, code: str, arguments: list[str], environment: dict[str, str]
    ) -> None:
        self.code, self.arguments, self.environment = code, arguments, environment
        self.files = [tempfile.TemporaryFile() for _ in ("stdout", "stderr")]

    def start(self) -> None:
        """Become this program, in a forked process."""
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in enumerate(self.files, start=1):
            os.dup2(file.fileno(), number)
        os.environ.clear()
        os.environ.update(self.environment)
        sys.argv = ["-c", *self.arguments]
        sys.modules["__main__"] = module = types.ModuleType("__main__")
        exec(compile(self.code, "<program>", "exec"), module.__dict__)

    def output(self) -> list[str]:
        """Return what it has printed to stdout and to stderr."""
        texts = []
        for file in self.files:
            with file:
                file.seek(0)
                texts.append(file.read().decode())
        return texts


def preload() -> None:
    """Import what a run imports late, which takes longer than the run itself."""
    import jinja2.environment  # noqa: F401
    import matplotlib.backends.backend_svg  # noqa: F401
    import pandas  # noqa: F401
    import sklearn.linear_model
    import sklearn.pipeline  # noqa: F401
    import torch._dynamo  # by torch.optim
    import torch.distributed.tensor  # noqa: F401
    from matplotlib.figure import Figure
    from PIL import Image

    import vicinal.cli.app
    import vicinal.images.run  # noqa: F401
    from vicinal.core.compute.runtime import deterministic_kernels

    Image.init()
    figure = Figure()
    figure.add_subplot(title="load the fonts")
    figure.savefig(os.devnull, format="svg")
    with deterministic_kernels(True):
        pass
    gc.collect()
    gc.freeze()  # memory that forks need not copy


def serve() -> Program | None:
    """Run programs until stdin ends; return the program in a forked process."""
    print("ready", flush=True)
    for line in sys.stdin:
        requests, seconds = json.loads(line)
        programs = [Program(*request) for request in requests]
        pids = []
        for program in programs:
            pids.append(os.fork())
            if not pids[-1]:
                return program
        codes = wait(pids, seconds)
        replies = zip(codes, (program.output() for program in programs), strict=True)
        print(json.dumps([(code, *texts) for code, texts in replies]), flush=True)
    return None


def wait(pids: list[int], seconds: float) -> list[int]:
    """Return the exit codes; kill the processes that run after so many seconds."""
    end = time.monotonic() + seconds
    codes: dict[int, int] = {}
    while len(codes) < len(pids):
        for pid in (pid for pid in pids if pid not in codes):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                codes[pid] = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= end:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.0005)
    return [codes[pid] for pid in pids]


if __name__ == "__main__":
    preload()
    if (forked := serve()) is not None:
        forked.start()
