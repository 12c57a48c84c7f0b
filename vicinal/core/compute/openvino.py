"""OpenVINO as a faster CPU backend for frozen networks (extra `fast`).

A network is traced once and cached on disk. Outputs differ from torch's by about the
rounding error of the dtype.
"""

import functools
import importlib
import importlib.util
import os
import shutil
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.storage.files import replace_file
from vicinal.errors import RunError

HINTS = {"bfloat16": "bf16", "float32": "f32"}


def is_installed() -> bool:
    """Return True if OpenVINO is installed, and this process can use it."""
    return importlib.util.find_spec("openvino") is not None and not is_lost()


_first_process = 0
"""number of the process that has started OpenVINO; 0: none yet"""


def is_lost() -> bool:
    """Return True in a fork of a process that used OpenVINO, whose threads it lacks.

    Or that was importing it, whose lock nobody releases in the fork.
    """
    return _first_process not in (0, os.getpid())


def import_openvino() -> Any:
    """Return the library; forks of this process do not use it from now on."""
    global _first_process
    _first_process = _first_process or os.getpid()
    return importlib.import_module("openvino")


def compile_with_openvino(
    function: Callable[[Tensor], Tensor],
    example: Tensor,
    precision: str,
    cache: Path | None = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """Compile a function of one batch [N, ...]; N may differ from the example's.

    precision: float32 or bfloat16. cache: a file `NAME.xml` to read the traced network
    from, or to write it to; NAME must contain a hash of all that it depends on.
    """
    return _runner(trace(function, example, cache), precision)


def load_compiled(
    cache: Path, precision: str
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Compile a cached network; None if it is missing or damaged.

    This does not use torch, so it can run in a thread while another traces a network.
    """
    model = _read(cache)
    return None if model is None else _runner(model, precision)


def _runner(model: Any, precision: str) -> Callable[[np.ndarray], np.ndarray]:
    run = compile_graph(model, precision)
    return lambda x: np.array(
        run(np.ascontiguousarray(x))[0]
    )  # the output buffer is reused


def compile_graph(model: Any, precision: str) -> Callable[[Any], Any]:
    """Compile a graph; its output buffer is overwritten by the next call."""
    options = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, by all cores
    }
    return _core().compile_model(model, "CPU", options)


def trace(
    function: Callable[[Tensor], Tensor], example: Tensor, cache: Path | None = None
) -> Any:
    """Return a function of one batch as an OpenVINO graph, cached on disk."""
    model = None if cache is None else _read(cache)
    if model is None:
        model = _trace(function, example)
        if cache is not None:
            _write_cache(model, cache)
    return model


def _read(cache: Path) -> Any | None:
    if cache.exists():
        with suppress(RuntimeError):  # damaged: trace again
            return _core().read_model(cache, cache.with_suffix(".bin"))
    return None


@functools.cache
def _core():
    """Return the one Core of this process, which is never deleted.

    Its CPU plugin replaces the signal stack of the thread that creates it, and frees
    that stack when it is deleted: the next Ctrl-C would crash.
    """
    return import_openvino().Core()


class _Function(nn.Module):
    """A function wrapped in a module, for the tracer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        owner = getattr(function, "__self__", function)
        if isinstance(owner, nn.Module):  # registers its weights
            self.owner = owner
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _trace(function: Callable[[Tensor], Tensor], example: Tensor) -> Any:
    openvino = import_openvino()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # fixed sizes are intended
        # check_trace would trace again, which doubles the time
        graph = torch.jit.trace(_Function(function), example, check_trace=False)
        model = openvino.convert_model(graph, example_input=example)
    model.reshape([-1, *example.shape[1:]])
    return model


def _write_cache(model: Any, path: Path) -> None:
    """Write a traced network, weights first; errors such as a full disk are ignored."""
    save_model = import_openvino().save_model
    with suppress(OSError, RunError, RuntimeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # a directory of its own: another process may be writing the same network
        with TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            temporary = Path(folder) / "model.xml"
            save_model(model, temporary, compress_to_fp16=False)
            for suffix in (".bin", ".xml"):
                part = temporary.with_suffix(suffix)
                replace_file(path.with_suffix(suffix), partial(_copy, part))


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
