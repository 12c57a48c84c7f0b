"""A fingerprint of what a resumed training must have in common with its beginning."""

import hashlib
from collections.abc import Iterable

import numpy as np
from torch import Tensor

MAX_ELEMENTS = 1 << 26
"""elements up to which all of an array is hashed; of a larger one, perhaps on disk,
evenly spaced rows with about as many"""


def fingerprint(texts: Iterable[str], arrays: Iterable[Tensor | np.ndarray]) -> str:
    """Return a hash of texts, and of the dtypes, shapes and values of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        digest.update(f"{len(text)} {text}".encode())
    for array in arrays:
        _add(digest, array)
    return digest.hexdigest()


def _add(digest: "hashlib.blake2b", array: Tensor | np.ndarray) -> None:
    values = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    values = values.astype(str) if values.dtype.hasobject else values
    digest.update(f"{values.dtype.str} {values.shape} ".encode())
    step = -(-values.size // MAX_ELEMENTS)
    if step > 1:
        values = values[::step]
    digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
