"""A frozen network on OpenVINO, where it is installed: the same answers, sooner.

On a CPU it fuses what torch computes layer by layer. The network is traced once, and
what comes of it is kept on disk by the network's own name, so that later runs only read
it. Rounding differs from torch's by about as much as the number format's own.
"""

import functools
import importlib.util
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.storage.files import replace_file
from vicinal.errors import RunError

HINTS = {"bfloat16": "bf16", "float32": "f32"}


def is_installed() -> bool:
    """Whether the extra `fast` is there."""
    return importlib.util.find_spec("openvino") is not None


def on_openvino(
    function: Callable[[Tensor], Tensor],
    example: Tensor,
    precision: str,
    kept: Path | None = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """Compile a function of one batch [N, ...]; N may differ from the example's.

    precision: float32 or bfloat16, of the products. kept: a file `NAME.xml` to read the
    traced network from, or to keep it in; it must be named by all that it depends on.
    """
    return _running(traced(function, example, kept), precision)


def kept_on_openvino(
    kept: Path, precision: str
) -> Callable[[np.ndarray], np.ndarray] | None:
    """The same of what is kept; None where that is not there, or damaged.

    It asks torch for nothing, so a thread may do it while another traces a network.
    """
    model = _read(kept)
    return None if model is None else _running(model, precision)


def _running(model: Any, precision: str) -> Callable[[np.ndarray], np.ndarray]:
    run = compiled(model, precision)
    return lambda x: np.array(run(np.ascontiguousarray(x))[0])  # its own is reused


def compiled(model: Any, precision: str) -> Callable[[Any], Any]:
    """A graph of OpenVINO, ready to run; what it gives it writes over the next time."""
    how = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, by all cores
    }
    return _core().compile_model(model, "CPU", how)


def traced(
    function: Callable[[Tensor], Tensor], example: Tensor, kept: Path | None = None
) -> Any:
    """A function of one batch as a graph of OpenVINO: read, or traced and kept."""
    model = None if kept is None else _read(kept)
    if model is None:
        model = _traced(function, example)
        if kept is not None:
            _keep(model, kept)
    return model


def _read(kept: Path) -> Any | None:
    if kept.exists():
        with suppress(RuntimeError):  # damaged: traced again
            return _core().read_model(kept, kept.with_suffix(".bin"))
    return None


@functools.cache
def _core():
    """The one Core of this process, never let go.

    Its CPU part gives the thread that makes it another stack for signals, and frees
    that stack in whichever thread it ends: the next Ctrl-C would end in a crash.
    """
    import openvino

    return openvino.Core()


class _Function(nn.Module):
    """A function as the module that the tracer wants."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        owner = getattr(function, "__self__", function)
        if isinstance(owner, nn.Module):  # so that the tracer knows its weights
            self.owner = owner
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _traced(function: Callable[[Tensor], Tensor], example: Tensor):
    import openvino

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch's tracer: sizes are fixed, as meant
        # once is enough: tracing again to compare takes as long as all the rest
        seen = torch.jit.trace(_Function(function), example, check_trace=False)
        model = openvino.convert_model(seen, example_input=example)
    model.reshape([-1, *example.shape[1:]])
    return model


def _keep(model, path: Path) -> None:
    """Keep a traced network, weights first; a disk that is full costs only time."""
    import openvino

    with suppress(OSError, RunError, RuntimeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.stem}.half.xml")
        openvino.save_model(model, aside, compress_to_fp16=False)
        for suffix in (".bin", ".xml"):
            half = aside.with_suffix(suffix)
            data = half.read_bytes()
            half.unlink()
            replace_file(path.with_suffix(suffix), lambda t, d=data: _write(t, d))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
