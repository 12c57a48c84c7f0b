"""Tensors on disk: safetensors with JSON metadata; nothing is ever unpickled.

`save_tensors` is atomic (see `files`), so a kill while saving leaves the previous
checkpoint. `pack` and `unpack` convert a training state without losing a bit.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from vicinal.core.storage.files import replace_file
from vicinal.errors import ModelFileError

Tensors = dict[str, Tensor]


def save_tensors(path: Path, tensors: Tensors, metadata: dict[str, Any]) -> None:
    """Write tensors and metadata (any JSON) to one file, atomically."""
    plain = {name: _own_copy(t.detach()) for name, t in tensors.items()}
    text = {"vicinal": json.dumps(metadata)}
    replace_file(path, lambda temporary: save_file(plain, temporary, text))


def load_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read the tensors and metadata of a safetensors file.

    Raises ModelFileError if the file is missing, damaged or not safetensors; pickles
    (.pt, .pth, .bin, ...) are refused by their suffix.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}. Name a .safetensors file.")
    if path.suffix.lower() in {".pt", ".pth", ".bin", ".pkl", ".ckpt"}:
        raise ModelFileError(
            f"{path} has the suffix of a pickle, and loading a pickle runs the code in "
            "it. If you trust it, convert it to .safetensors and name that file."
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("vicinal", "{}"))
            # copied, because get_tensor maps the file, which may change
            tensors = {k: _own_copy(file.get_tensor(k)) for k in file.keys()}
            return tensors, metadata
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelFileError(
            f"{path} is not a complete safetensors file ({error}). "
            "Download or train it again."
        ) from error


def _own_copy(t: Tensor) -> Tensor:
    """Return a contiguous copy; safetensors refuses tensors that share memory."""
    return t.to("cpu", copy=True, memory_format=torch.contiguous_format)


def pack(model: nn.Module, optimizer: Optimizer) -> Tensors:
    """Return all tensors of a model and its optimizer under flat names."""
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    for row, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{row}.{name}"] = torch.as_tensor(value)
    return tensors


def unpack(tensors: Tensors, model: nn.Module, optimizer: Optimizer) -> None:
    """Load the tensors of `pack`; memory formats stay those of the model."""
    model.load_state_dict(with_prefix("model", tensors))
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in with_prefix("optimizer", tensors).items():
        row, moment = name.split(".", 1)
        like = parameters[int(row)]
        if value.shape == like.shape:
            value = torch.empty_like(like, requires_grad=False).copy_(value)
        state.setdefault(int(row), {})[moment] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def copy_state(model: nn.Module) -> Tensors:
    """Return a copy of a model's state on the CPU."""
    state = model.state_dict()
    return {name: t.detach().cpu().clone() for name, t in state.items()}


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """Return the tensors whose names begin with `prefix.`, without the prefix."""
    start = prefix + "."
    return {k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)}
