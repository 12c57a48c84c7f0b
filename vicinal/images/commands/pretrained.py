"""Pretrained weights in place of a run, for `explain` and `inspect`."""

from collections.abc import Callable
from typing import Any

from vicinal.images.weights.registry import WEIGHTS


def is_pretrained(name: str) -> bool:
    """Return whether a name is that of weights in the table, of timm, or of a file."""
    return name in WEIGHTS or name.startswith("timm:") or name.endswith(".safetensors")


def open_pretrained(name: str, print_line: Callable[[str], None]) -> Any:
    """Return pretrained weights as a model; they are downloaded where necessary."""
    from vicinal.images.pretrained_classifier import load_pretrained

    return load_pretrained(name, log=print_line)
