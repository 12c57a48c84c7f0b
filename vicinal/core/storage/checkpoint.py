"""Tensors on disk: safetensors with JSON metadata; nothing is ever unpickled.

`save_tensors` is atomic (see `files`), so a kill while saving leaves the previous
checkpoint. `pack` and `unpack` convert a training state without losing a bit.
"""

import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from vicinal.core.storage.files import parse_json, replace_file, to_json
from vicinal.core.storage.schema import Anything, MapOf, Schema
from vicinal.errors import ModelFileError, ResumeError

Tensors = dict[str, Tensor]


def save_tensors(
    path: Path, tensors: Tensors, metadata: dict[str, Any], *, checksum: bool = True
) -> None:
    """Write tensors and metadata (any JSON) to one file, atomically.

    checksum: whether `load_tensors` is to find damage by a checksum in the file.
    """
    plain = {name: _own_copy(t.detach()) for name, t in tensors.items()}
    text = {"vicinal": to_json(metadata)}
    if checksum:
        text["crc32"] = _checksum(plain, text["vicinal"])
    replace_file(path, lambda temporary: save_file(plain, temporary, text))


def load_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read the tensors and metadata of a safetensors file.

    Raises ModelFileError if the file is missing, damaged or not safetensors; pickles
    (.pt, .pth, .bin, ...) are refused by their suffix.
    """
    try:
        return _read(Path(path))
    except ValueError as error:
        raise ModelFileError(f"{error}. Download or train it again.") from error


def _read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Return what `load_tensors` does; ValueError for a damaged file."""
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}. Name a .safetensors file.")
    if path.suffix.lower() in {".pt", ".pth", ".bin", ".pkl", ".ckpt"}:
        raise ModelFileError(
            f"{path} has the suffix of a pickle, and loading a pickle runs the code in "
            "it. If you trust it, convert it to .safetensors and name that file."
        )
    try:
        with safe_open(path, framework="pt") as file:
            text = file.metadata() or {}
            # copied, because get_tensor maps the file, which may change
            tensors = {k: _own_copy(file.get_tensor(k)) for k in file.keys()}
        own = text.get("vicinal", "{}")
        metadata = parse_json(own)
        MapOf(Anything()).check(metadata)
    except (SafetensorError, ValueError, OSError, RuntimeError) as error:
        reason = f"{path} is not a complete safetensors file ({error})"
        raise ValueError(reason) from error
    checksum = text.get("crc32")  # older files and those of others have none
    if checksum is not None and checksum != _checksum(tensors, own):
        raise ValueError(
            f"{path} is damaged: its content is not what was written (the checksums "
            "differ)"
        )
    return tensors, metadata


def load_checkpoint(
    path: Path, schema: Schema, fingerprint: str | None = None
) -> tuple[Tensors, dict[str, Any]]:
    """Read a checkpoint of a run, with metadata of a schema.

    ResumeError where it is damaged, or made with another fingerprint than the given.
    """
    try:
        tensors, values = _read(Path(path))
        if fingerprint not in (None, values.get("fingerprint")):
            raise ResumeError(
                f"{path} was made from other data, labels or settings. Resume with "
                "those of the run, or start a new run."
            )
        schema.check(values)
    except (ModelFileError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise ResumeError(
            f"This checkpoint is damaged: {reason}. Delete {path} and resume again: "
            "the network that it holds is then trained from its beginning. Or start a "
            "new run with another --out."
        ) from error
    return tensors, values


def _checksum(tensors: Tensors, metadata: str) -> str:
    """Return the CRC-32 of tensors on the CPU and of metadata, in hexadecimal."""
    crc = zlib.crc32(metadata.encode(errors="backslashreplace"))
    for name, t in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {t.dtype} {list(t.shape)}".encode(), crc)
        if t.numel():
            crc = zlib.crc32(t.reshape(-1).view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


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


def check_state(prefix: str, tensors: Tensors, model: nn.Module) -> None:
    """Raise ValueError for tensors `prefix.*`, if any, that a model could not load."""
    shapes = {name: t.shape for name, t in with_prefix(prefix, tensors).items()}
    own = {name: t.shape for name, t in model.state_dict().items()}
    if shapes not in ({}, own):
        raise ValueError(f"{prefix} holds the weights of another network")


def copy_state(model: nn.Module) -> Tensors:
    """Return a copy of a model's state on the CPU."""
    state = model.state_dict()
    return {name: t.detach().cpu().clone() for name, t in state.items()}


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """Return the tensors whose names begin with `prefix.`, without the prefix."""
    start = prefix + "."
    return {k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)}
