"""Tensors on disk: safetensors with JSON beside them, nothing is ever unpickled.

`save_tensors` replaces its file at one instant (see `files`), so a kill in
mid-save leaves the checkpoint before. `pack` and `unpack` turn a training state
into such a file and back without losing a bit.
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
    """Write tensors and metadata (any JSON) to one file, whole or not at all."""
    plain = {name: _own_copy(t.detach()) for name, t in tensors.items()}
    text = {"vicinal": json.dumps(metadata)}
    replace_file(path, lambda temporary: save_file(plain, temporary, text))


def load_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read a safetensors file: its tensors, and the JSON of `save_tensors` if any.

    Raises ModelFileError when the file is missing, damaged, or of another kind; a
    pickle (.pt, .pth, .bin) is refused by name.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}. Name a .safetensors file.")
    if path.suffix.lower() in {".pt", ".pth", ".bin", ".pkl", ".ckpt"}:
        raise ModelFileError(
            f"{path} is a pickle by its name, and opening a pickle runs whatever code "
            "it holds. Convert it to .safetensors where you trust it, and name that."
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("vicinal", "{}"))
            # copied, for what get_tensor gives changes when the file does
            tensors = {k: _own_copy(file.get_tensor(k)) for k in file.keys()}
            return tensors, metadata
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelFileError(
            f"{path} is not a whole safetensors file ({error}). "
            "Fetch or train it again."
        ) from error


def _own_copy(t: Tensor) -> Tensor:
    """The tensor in memory of its own; safetensors refuses tensors that share."""
    return t.to("cpu", copy=True, memory_format=torch.contiguous_format)


def pack(model: nn.Module, optimizer: Optimizer) -> Tensors:
    """All tensors of a model and its optimizer under flat names."""
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    for row, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{row}.{name}"] = torch.as_tensor(value)
    return tensors


def unpack(tensors: Tensors, model: nn.Module, optimizer: Optimizer) -> None:
    """Put back what `pack` took; memory layouts stay those of the model."""
    model.load_state_dict(under("model", tensors))
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in under("optimizer", tensors).items():
        row, moment = name.split(".", 1)
        like = parameters[int(row)]
        if value.shape == like.shape:
            value = torch.empty_like(like, requires_grad=False).copy_(value)
        state.setdefault(int(row), {})[moment] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def under(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names begin with `prefix.`, without it."""
    start = prefix + "."
    return {k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)}
