"""Where and how numbers are made: device, threads, number format, memory order.

A convolution in bfloat16 with channels last is two to four times faster than the
usual float32 loop on CPUs that have the instructions for it, and slower on those that
have not. So nothing is assumed: `fastest` times one training step in each form on the
machine at hand and keeps the fastest.
"""

import contextlib
import copy
import hashlib
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
from vicinal.core.settings import Precision
from vicinal.core.storage.files import read_json, write_json
from vicinal.errors import SettingError


@dataclass(frozen=True)
class Runtime:
    """The form in which a network runs."""

    device: str = "cpu"
    """torch's name of the device"""

    precision: str = "float32"
    """format of the products; weights and sums stay float32"""

    channels_last: bool = False
    """whether a picture's channels lie side by side in memory"""

    exact: bool = False
    """deterministic kernels only"""

    threads: int = 0
    """CPU threads of one operation; 0: as many as torch takes by itself"""

    engine: Literal["torch", "openvino"] = "torch"
    """what computes the features of a frozen network"""

    compiled: bool = False
    """whether torch compiles the passes of a network that learns"""

    def prepare(self, model: nn.Module) -> nn.Module:
        """Move a model to this form, in place."""
        # torch's type stubs do not know of memory_format here
        order = self._order
        return model.to(self.device, memory_format=order)  # pyright: ignore[reportCallIssue]

    def forward(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """What computes the model's output while it learns; its weights stay shared."""
        return torch.compile(model) if self.compiled else model

    def place(self, x: Tensor) -> Tensor:
        """Move a batch to this form; pictures [N, C, H, W] also change memory order."""
        x = x.to(self.device, non_blocking=True)
        return x.contiguous(memory_format=self._order) if x.ndim == 4 else x

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Run what is inside in this form."""
        kind = torch.device(self.device).type
        low = self.precision == "bfloat16"
        with deterministic(self.exact), torch.autocast(kind, torch.bfloat16, low):
            yield

    @contextlib.contextmanager
    def threaded(self) -> Iterator[None]:
        """Run what is inside with this form's number of threads."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @property
    def _order(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        order = ", channels last" if self.channels_last else ""
        engine = ", OpenVINO" if self.engine == "openvino" else ""
        compiled = ", compiled" if self.compiled else ""
        return f"{self.device}, {self.precision}{order}{engine}{compiled}"


@contextlib.contextmanager
def deterministic(exact: bool) -> Iterator[None]:
    """With `exact`, run what is inside with deterministic kernels only.

    Where there is none, torch warns; who asked torch to raise still has it raise.
    """
    # `use_deterministic_algorithms` would import torch's compiler: a second
    before = torch.get_deterministic_debug_mode()
    if exact and not before:
        torch.set_deterministic_debug_mode("warn")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def find_device(name: str = "auto") -> str:
    """The device to use: the one named, or an accelerator where there is one."""
    if name == "auto":
        found = torch.accelerator.current_accelerator(check_available=True)
        return found.type if found is not None else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].split(". ")[0].rstrip(".")
        raise SettingError(
            f"device {name!r} cannot be used here: {reason}. "
            "Leave --device out to take the best one there is."
        ) from error
    return name


def candidates(device: str, precision: Precision, exact: bool) -> list[Runtime]:
    """The forms worth timing, the plainest first."""
    plain = Runtime(device, "float32", exact=exact)
    if exact:
        return [plain]
    last = Runtime(device, "float32", channels_last=True)
    low = Runtime(device, "bfloat16", channels_last=True)
    named = {"auto": [plain, last, low], "float32": [plain, last], "bfloat16": [low]}
    forms = named[precision]
    if torch.device(device).type == "cpu":  # there it would not be bit for bit
        return forms
    return [*forms, replace(forms[-1], compiled=True)]


SHORT_STEP = 0.05
"""seconds: below this, handing work to threads may cost more than it saves"""


WORTH_COMPILING = 600.0
"""seconds of learning below which compiling, which takes a minute, is not tried"""


def fastest(
    model: nn.Module,
    x: Tensor,
    forms: list[Runtime],
    *,
    repeats: int = 3,
    learning: bool = True,
    fix_norms: bool = False,
    passes: float = math.inf,
    seconds: float = math.inf,
) -> Runtime:
    """The form in which one forward and backward pass of `model` on x is fastest.

    The model is left as it was. x: [N, ...], a batch of the real size. learning: False
    for the forward pass alone; fix_norms: as `folding.frozen_batchnorm` has it; passes,
    seconds: as many are to come at most, and as much time: compiling, which is tried
    where there is time enough, has to pay within them.
    """
    if forms[0].exact:
        return forms[0]
    keep_memory()  # as training does
    plain = [form for form in forms if not form.compiled]
    taken = measured(model, x, plain, repeats, learning, fix_norms)
    best = min(plain, key=taken.__getitem__)
    if torch.device(best.device).type != "cpu":
        passes = min(passes, seconds / taken[best])
        if passes * taken[best] < WORTH_COMPILING:
            return best
        others = [form for form in forms if form.compiled]
        taken |= measured(model, x, others, repeats, learning, fix_norms, passes)
        return min(taken, key=taken.__getitem__)
    if taken[best] > SHORT_STEP:
        return best
    both = [best, replace(best, threads=1)]
    taken = measured(model, x, both, repeats, learning, fix_norms)
    return min(taken, key=taken.__getitem__)


def remembered(path: Path, key: str, measure: Callable[[], Runtime]) -> Runtime:
    """The form that `measure` found on this machine before, else the one it finds.

    path: a JSON file of forms by key; one that is damaged or cannot be written only
    costs the time to measure again.
    """
    try:
        known = read_json(path)
        return Runtime(**known[key])
    except (OSError, ValueError, KeyError, TypeError):
        found = measure()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            known = read_json(path)
        except (OSError, ValueError):
            known = {}
        write_json(path, {**known, key: found.to_dict()})
    return found


def measured(
    model: nn.Module,
    x: Tensor,
    forms: list[Runtime],
    repeats: int = 3,
    learning: bool = True,
    fix_norms: bool = False,
    passes: float = math.inf,
) -> dict[Runtime, float]:
    """Least seconds of one pass in each form, after one to warm up.

    The forms take turns, so that whatever else the machine does hits all alike. What
    compiling takes is dealt to so many passes; infinite where it cannot be done here.
    """
    trials = {
        form: form.prepare(copy.deepcopy(model)).train(learning) for form in forms
    }
    pairs = {
        form: find_conv_bn_pairs(trial, form.place(x[:2])) if fix_norms else None
        for form, trial in trials.items()
    }
    runs = {form: form.forward(trial) for form, trial in trials.items()}
    seconds: dict[Runtime, list[float]] = {form: [] for form in forms}
    for _ in range(repeats + 1):
        for form, trial in trials.items():
            with frozen_batchnorm(trial, pairs[form]):
                taken = _pass_seconds(runs[form], form.place(x), form, learning)
            seconds[form].append(taken)
    least = {form: min(values[1:]) for form, values in seconds.items()}
    for form in forms:
        if form.compiled and math.isfinite(least[form]):
            least[form] += (seconds[form][0] - least[form]) / passes
    return least


Forward = Callable[[Tensor], Tensor]


def _pass_seconds(forward: Forward, x: Tensor, form: Runtime, learning: bool) -> float:
    start = time.perf_counter()
    try:
        with form.threaded(), torch.inference_mode(not learning):
            with form.active():
                out = forward(x)
            if learning:
                out.float().square().mean().backward()
    except RuntimeError:
        if form.compiled:  # there is no compiler for it here
            return math.inf
        raise
    synchronize(form.device)
    return time.perf_counter() - start


def indexed(device: str) -> str:
    """The device by its number: the current one is each thread's own."""
    kind = torch.device(device)
    if kind.type != "cuda" or kind.index is not None:
        return device
    return f"cuda:{torch.cuda.current_device()}"


def synchronize(device: str) -> None:
    """Wait until an accelerator has done what it was given."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize()


def seed_for(*numbers: int) -> int:
    """One seed mixed from several numbers, such as (seed, epoch, step).

    Every draw in training is a function of these, never of what was drawn before,
    so a resumed run draws what the uninterrupted one would have drawn.
    """
    text = ",".join(str(int(n)) for n in numbers)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(*numbers: int) -> torch.Generator:
    """A random generator on the CPU, seeded by several numbers."""
    return torch.Generator().manual_seed(seed_for(*numbers))


def count_learned(model: nn.Module) -> int:
    """Numbers of a model that are learned now: those that are not frozen."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_parameters(model: nn.Module) -> int:
    """Learned numbers of a model."""
    return sum(p.numel() for p in model.parameters())
