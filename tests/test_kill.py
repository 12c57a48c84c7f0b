"""kill -9 at any moment costs nothing: the resumed run ends with the same bits.

Processes are forked from one that has torch loaded already, so that twenty kills take
seconds; the slow test kills twenty processes that were started from nothing.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import vicinal
from vicinal.core.storage.checkpoint import load_tensors
from vicinal.core.storage.run_folder import CHECKPOINT

EPOCHS = 36
SETTINGS = (
    f"--epochs {EPOCHS} --batch-size 4 --exact --no-cache --checkpoint-seconds 0 "
    "--val-fraction 0"  # the last epoch is kept then, and every step counts
).split()
KILLS = 20

Train = Callable[[list[str], float | None], bool]
"""runs `vicinal` with words, killed after some seconds; whether it came to its end"""


def environment() -> dict[str, str]:
    root = str(Path(vicinal.__file__).parents[1])
    return os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Train]:
    """Processes that are forked from one with everything imported."""
    words = [sys.executable, __file__]
    with subprocess.Popen(
        words,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        asked, told = process.stdin, process.stdout

        def train(words: list[str], seconds: float | None) -> bool:
            print(json.dumps([words, seconds]), file=asked, flush=True)
            code = int(told.readline())
            assert code in (0, -signal.SIGKILL)
            return code == 0

        assert told.readline() == "ready\n"
        yield train


@pytest.fixture
def pictures(make_folder) -> Path:
    return make_folder({"cat": 10, "dog": 10}, height=8, width=8, channels=1)


def started(words: list[str], seconds: float | None) -> bool:
    """The same with a process of its own, from nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vicinal", *words],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            _, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    assert process.returncode == 0, err.decode()
    return True


def check_kills(train: Train, pictures: Path, folder: Path, idle: float) -> None:
    """Kill a run at random moments, resume it to the end, compare; again and again.

    idle: seconds in which a process has not begun its work yet.
    """
    words = ["train", str(pictures), *SETTINGS, "--out"]
    started_at, out = time.time(), folder / "whole"
    assert train([*words, str(out)], None)
    whole = time.time() - started_at
    divided, learned = (  # the checkpoint is written after each step, the last time at
        (out / name).stat().st_mtime - started_at  # the end of learning
        for name in ("data/splits.csv", CHECKPOINT)
    )
    aim, width = divided, learned - divided
    moments: list[str] = []
    number = 0
    while len(moments) < KILLS:
        number += 1
        out, ended, kills = folder / f"run{number}", False, 0
        while not ended:
            kills += 1
            # while it learns, again and again, then at any moment, then never
            after = random.uniform(aim, aim + width) if kills < 4 else None
            if kills == 4:
                after = random.uniform(idle, whole)
            resume = ["--resume"] if out.exists() else []
            ended = train([*words, str(out), *resume], after)
            moment = "end" if ended else check_what_is_left(out)
            moments += [] if ended else [moment]
            if kills < 4:  # the machine may be faster or slower now
                later = {"nothing": 1, "data": 1, "results": -1, "end": -1}.get(
                    moment, 0
                )
                aim += later * width / 3
        check_same(folder / "whole", out)
    where = f"killed in: {', '.join(moments)}"
    assert sum("epoch" in moment for moment in moments) > KILLS // 8, where


def check_what_is_left(out: Path) -> str:
    """Whatever is there is whole; a few words on how far the run had come."""
    for path in (path for path in out.rglob("*.json") if path.stat().st_size):
        json.loads(path.read_text())
    if not (out / CHECKPOINT).exists():
        return "nothing" if not (out / "data").exists() else "data"
    progress = load_tensors(out / CHECKPOINT)[1]["progress"]
    if progress["epoch"] == EPOCHS:
        return "results"
    return f"epoch {progress['epoch']} step {progress['step']}"


def check_same(whole: Path, resumed: Path) -> None:
    for name in ("model.safetensors", "predictions.csv", "data/splits.csv"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name
    files = [
        {p.relative_to(run).as_posix() for p in run.rglob("*")}
        for run in (whole, resumed)
    ]
    assert files[0] == files[1]  # and no half of a file
    assert (resumed / "report.html").stat().st_size > 10_000
    scores = [json.loads((r / "metrics.json").read_text()) for r in (whole, resumed)]
    assert scores[0]["score"] == scores[1]["score"]


def test_twenty_kills(nursery, pictures, tmp_path):
    check_kills(nursery, pictures, tmp_path, idle=0.0)


@pytest.mark.slow
def test_twenty_kills_from_nothing(pictures, tmp_path):
    started_at = time.monotonic()
    started(["info"], None)
    check_kills(started, pictures, tmp_path, idle=0.8 * (time.monotonic() - started_at))


# --- the process that others are forked from -------------------------------------


def serve() -> None:
    """Fork a process for each line of stdin, kill it in time, say how it ended."""
    # as in a process that has run for a while: all that a run imports is there
    import jinja2.environment  # noqa: F401
    import matplotlib.backends.backend_svg  # noqa: F401
    import pandas  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    import vicinal.images.run  # noqa: F401
    from vicinal.cli.app import main
    from vicinal.core.compute.runtime import deterministic

    with deterministic(True):
        pass

    print("ready", flush=True)
    for line in sys.stdin:
        words, seconds = json.loads(line)
        pid = os.fork()
        if not pid:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os._exit(main(words))
        end = time.monotonic() + (1e9 if seconds is None else seconds)
        while not (done := os.waitpid(pid, os.WNOHANG))[0]:
            if time.monotonic() >= end:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.0005)
        print(os.waitstatus_to_exitcode(done[1]), flush=True)


if __name__ == "__main__":
    serve()
