"""Runtimes: device, dtype, memory format and threads, chosen by a short measurement.

A convolution in bfloat16 with channels last is two to four times faster than float32 on
CPUs with the instructions for it, and 4 to 60 times slower on others. So
`fastest_runtime` times training steps with each candidate on this machine, for two
seconds at most: bfloat16 only if one small convolution is not slower in it, and as many
examples as there is time for.
"""

import contextlib
import copy
import functools
import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vicinal.core.compute.batchnorm_folding import find_conv_bn_pairs, frozen_batchnorm
from vicinal.core.compute.memory import keep_memory
from vicinal.core.compute.threads import network_lock, num_cores
from vicinal.core.settings import Precision
from vicinal.core.storage.files import read_json, write_json
from vicinal.core.storage.schema import Flag, Integer, MapOf, Object, Text
from vicinal.errors import SettingError

MAX_THREADS = 1024
"""threads of one operation above which a stored runtime is refused"""

RUNTIME = Object(
    {
        "device": Text(),
        "precision": Text(("float32", "bfloat16")),
        "channels_last": Flag(),
        "deterministic": Flag(),
        "threads": Integer(0, MAX_THREADS),
        "engine": Text(("torch", "openvino")),
        "compiled": Flag(),
    }
)
"""schema of what `Runtime.to_dict` returns"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """How a network is executed."""

    device: str = "cpu"
    """device name of torch"""

    precision: str = "float32"
    """dtype of the matrix products; weights and sums stay float32"""

    channels_last: bool = False
    """memory format of images"""

    deterministic: bool = False
    """deterministic kernels only"""

    threads: int = 0
    """CPU threads of one operation; 0: torch's default"""

    engine: Literal["torch", "openvino"] = "torch"
    """backend for the features of a frozen network"""

    compiled: bool = False
    """whether training uses torch.compile"""

    def prepare(self, model: nn.Module) -> nn.Module:
        """Move a model to the device and memory format, in place."""
        # torch's type stubs lack memory_format here
        memory_format = self._memory_format
        return model.to(self.device, memory_format=memory_format)  # pyright: ignore[reportCallIssue]

    def forward(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """Return the forward function for training, compiled if so set."""
        return torch.compile(model) if self.compiled else model

    def move(self, x: Tensor) -> Tensor:
        """Move a batch to the device, images [N, C, H, W] also to the memory format."""
        x = x.to(self.device, non_blocking=True)
        return x.contiguous(memory_format=self._memory_format) if x.ndim == 4 else x

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Use the dtype and kernels of this runtime in the `with` block."""
        kind = torch.device(self.device).type
        low = self.precision == "bfloat16"
        with (
            deterministic_kernels(self.deterministic),
            torch.autocast(kind, torch.bfloat16, low),
        ):
            yield

    @contextlib.contextmanager
    def threaded(self) -> Iterator[None]:
        """Use the number of threads of this runtime in the `with` block.

        There are no more than cores, whatever a model file says. Meanwhile no other
        thread runs a network: the number is one of the process.
        """
        with network_lock():
            before = torch.get_num_threads()
            torch.set_num_threads(min(max(self.threads, 0), num_cores()) or before)
            try:
                yield
            finally:
                torch.set_num_threads(before)

    @property
    def _memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        order = ", channels last" if self.channels_last else ""
        engine = ", OpenVINO" if self.engine == "openvino" else ""
        compiled = ", compiled" if self.compiled else ""
        return f"{self.device}, {self.precision}{order}{engine}{compiled}"


@contextlib.contextmanager
def deterministic_kernels(enabled: bool) -> Iterator[None]:
    """If `enabled`, use only deterministic kernels in the `with` block.

    Where there is none, torch warns, or raises if the user has set it to.
    """
    # `use_deterministic_algorithms` would import torch's compiler: a second
    before = torch.get_deterministic_debug_mode()
    if enabled and not before:
        torch.set_deterministic_debug_mode("warn")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def find_device(name: str = "auto") -> str:
    """Return the named device, or for "auto" an accelerator if there is one."""
    if not isinstance(name, str):
        raise SettingError(
            f"device must be a text, such as auto, cpu or cuda. Got {name!r} instead."
        )
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator.type if accelerator is not None else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].split(". ")[0].rstrip(".")
        raise SettingError(
            f"device {name!r} cannot be used here: {reason}. "
            "Omit --device to use the best one available."
        ) from error
    return name


def candidate_runtimes(
    device: str, precision: Precision, deterministic: bool
) -> list[Runtime]:
    """Return the runtimes to measure, the simplest first."""
    plain = Runtime(device, "float32", deterministic=deterministic)
    if deterministic:
        return [plain]
    last = Runtime(device, "float32", channels_last=True)
    low = Runtime(device, "bfloat16", channels_last=True)
    by_precision = {
        "auto": [plain, last, low],
        "float32": [plain, last],
        "bfloat16": [low],
    }
    runtimes = by_precision[precision]
    if torch.device(device).type == "cpu":  # compiled, it is not bitwise reproducible
        return runtimes
    return [*runtimes, replace(runtimes[-1], compiled=True)]


SHORT_STEP = 0.05
"""seconds of a step below which one thread may be faster than several"""


TRIAL_SECONDS = 2.0
"""seconds that the trial of runtimes may take on a CPU"""

CONVOLUTION_STEPS = 50
"""steps of the trial of bfloat16 at most, whatever time is left of it"""

MIN_SECONDS_TO_COMPILE = 600.0
"""seconds of training below which torch.compile, which takes a minute, is not tried"""


def fastest_runtime(
    model: nn.Module,
    x: Tensor,
    runtimes: list[Runtime],
    *,
    repeats: int = 3,
    training: bool = True,
    freeze_norms: bool = False,
    steps: float = math.inf,
    seconds: float = math.inf,
) -> Runtime:
    """Return the runtime in which a training step of `model` on x is fastest.

    The model is not changed. x: [N, ...], a batch of the real size. training: False to
    measure the forward pass alone. freeze_norms: measure with `frozen_batchnorm`.
    steps, seconds: upper bounds of the training to come, within which compiling pays.
    """
    if runtimes[0].deterministic:
        return runtimes[0]
    keep_memory()  # as in training
    plain = [runtime for runtime in runtimes if not runtime.compiled]
    if torch.device(plain[0].device).type != "cpu":
        taken = time_runtimes(model, x, plain, repeats, training, freeze_norms)
        best = min(plain, key=taken.__getitem__)
        steps = min(steps, seconds / taken[best])
        if steps * taken[best] < MIN_SECONDS_TO_COMPILE:
            return best
        others = [runtime for runtime in runtimes if runtime.compiled]
        taken |= time_runtimes(model, x, others, repeats, training, freeze_norms, steps)
        return min(taken, key=taken.__getitem__)
    work = "training step" if training else "prediction"
    logger.info(
        f"timing {work}s to choose dtype and memory format ({TRIAL_SECONDS:g} s at "
        "most)"
    )
    plain = _without_slow_bfloat16(plain)
    rows = affordable_rows(model, x, plain, training, freeze_norms)
    few, limit = x[:rows], TRIAL_SECONDS
    options = repeats, training, freeze_norms, math.inf, limit
    taken = time_runtimes(model, few, plain, *options)
    best = min(plain, key=taken.__getitem__)
    if taken[best] * len(x) / rows > SHORT_STEP:
        return best
    both = [best, replace(best, threads=1)]
    taken = time_runtimes(model, few, both, *options)
    return min(taken, key=taken.__getitem__)


def _without_slow_bfloat16(runtimes: list[Runtime]) -> list[Runtime]:
    """Return the runtimes without those in bfloat16 where this CPU is slow in it."""
    others = [runtime for runtime in runtimes if runtime.precision != "bfloat16"]
    has_choice = 0 < len(others) < len(runtimes)
    return others if has_choice and is_bfloat16_slow() else runtimes


@functools.cache
def is_bfloat16_slow() -> bool:
    """Return whether a small convolution takes twice as long in bfloat16 on this CPU.

    The best of many steps: other load must not decide.
    """
    full = Runtime(channels_last=True)
    low = replace(full, precision="bfloat16")
    convolution = nn.Conv2d(64, 64, 3, padding=1)
    x = torch.rand(1, 64, 28, 28)
    runtimes, limit = [full, low], TRIAL_SECONDS / 4
    taken = time_runtimes(convolution, x, runtimes, CONVOLUTION_STEPS, limit=limit)
    return taken[low] > 2 * taken[full]


def affordable_rows(
    model: nn.Module,
    x: Tensor,
    runtimes: list[Runtime],
    training: bool = True,
    freeze_norms: bool = False,
    limit: float = TRIAL_SECONDS,
) -> int:
    """Return how many rows of x all runtimes can be timed on, twice, within `limit`.

    At least two, which are timed in the first runtime.
    """
    few = x[:2]
    taken = time_runtimes(model, few, runtimes[:1], 1, training, freeze_norms)
    seconds = 2 * len(runtimes) * taken[runtimes[0]] / len(few)
    return max(len(few), int(min(len(x), limit / max(seconds, 1e-9))))


def seconds_per_row(
    model: nn.Module,
    x: Tensor,
    runtime: Runtime,
    *,
    freeze_norms: bool = False,
    limit: float = TRIAL_SECONDS,
) -> float:
    """Return the seconds of a training step on x, by its rows, timed within `limit`."""
    rows = len(x)
    if torch.device(runtime.device).type == "cpu":
        rows = affordable_rows(model, x, [runtime], True, freeze_norms, limit)
    taken = time_runtimes(model, x[:rows], [runtime], 1, True, freeze_norms)
    return taken[runtime] / rows


def cached_runtime(path: Path, key: str, measure: Callable[[], Runtime]) -> Runtime:
    """Return the runtime cached on this machine under a key, or measure and cache it.

    path: a JSON file of runtimes by key; if it is damaged or cannot be written, the
    runtime is measured again.
    """
    cached = _read_runtimes(path)
    if key in cached:
        return Runtime(**cached[key])
    runtime = measure()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        others = _read_runtimes(path)  # another process may have added some
        write_json(path, {**others, key: runtime.to_dict()})
    return runtime


def _read_runtimes(path: Path) -> dict[str, Any]:
    """Return the cached runtimes; {} where there is none, or the file is damaged."""
    try:
        return read_json(path, MapOf(RUNTIME))
    except (OSError, ValueError):
        return {}


def time_runtimes(
    model: nn.Module,
    x: Tensor,
    runtimes: list[Runtime],
    repeats: int = 3,
    training: bool = True,
    freeze_norms: bool = False,
    steps: float = math.inf,
    limit: float = math.inf,
) -> dict[Runtime, float]:
    """Return the minimum seconds of one step in each runtime, after a warm-up step.

    Runtimes take turns, so that other load affects all alike. The time to compile is
    divided by `steps`; it is infinite where compiling fails. Turns that would end after
    `limit` seconds are left out, but each runtime has one after its warm-up.
    """
    started_at = time.monotonic()
    trials = {
        runtime: runtime.prepare(copy.deepcopy(model)).train(training)
        for runtime in runtimes
    }
    pairs = {
        runtime: find_conv_bn_pairs(trial, runtime.move(x[:2]))
        if freeze_norms
        else None
        for runtime, trial in trials.items()
    }
    runs = {runtime: runtime.forward(trial) for runtime, trial in trials.items()}
    seconds: dict[Runtime, list[float]] = {runtime: [] for runtime in runtimes}
    for turn in range(repeats + 1):
        elapsed = time.monotonic() - started_at
        if turn > 1 and elapsed * (turn + 1) / turn > limit:  # with this turn
            break
        for runtime, trial in trials.items():
            with frozen_batchnorm(trial, pairs[runtime]):
                taken = _pass_seconds(runs[runtime], runtime.move(x), runtime, training)
            seconds[runtime].append(taken)
    least = {runtime: min(values[1:]) for runtime, values in seconds.items()}
    for runtime in runtimes:
        if runtime.compiled and math.isfinite(least[runtime]):
            least[runtime] += (seconds[runtime][0] - least[runtime]) / steps
    return least


Forward = Callable[[Tensor], Tensor]


def _pass_seconds(
    forward: Forward, x: Tensor, runtime: Runtime, training: bool
) -> float:
    start = time.perf_counter()
    try:
        with runtime.threaded(), torch.inference_mode(not training):
            with runtime.active():
                out = forward(x)
            if training:
                out.float().square().mean().backward()
    except RuntimeError:
        if runtime.compiled:  # no compiler available
            return math.inf
        raise
    synchronize(runtime.device)
    return time.perf_counter() - start


def device_with_index(device: str) -> str:
    """Return a CUDA device with its index: the current device differs by thread."""
    kind = torch.device(device)
    if kind.type != "cuda" or kind.index is not None:
        return device
    return f"cuda:{torch.cuda.current_device()}"


def synchronize(device: str) -> None:
    """Wait until an accelerator has finished its work."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize()


def seed_for(*numbers: int) -> int:
    """Return one seed from several numbers, such as (seed, epoch, step).

    Random draws in training depend on these alone, not on earlier draws, so a resumed
    run makes the same draws as an uninterrupted one.
    """
    text = ",".join(str(int(n)) for n in numbers)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seeded_generator(*numbers: int) -> torch.Generator:
    """Return a CPU random generator seeded by several numbers (`seed_for`)."""
    return torch.Generator().manual_seed(seed_for(*numbers))


def count_trainable_parameters(model: nn.Module) -> int:
    """Return the number of parameters that are not frozen."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters of a model."""
    return sum(p.numel() for p in model.parameters())
