"""Sizes that a file claims, checked before memory is taken for them.

A few bytes can claim terabytes: a shape in a header, the number of a node, zeros that
are compressed. What a claim may take is derived from the bytes that stand behind it.
"""

import gzip
from pathlib import Path
from typing import Any

from vicinal.core.compute.memory import free_memory
from vicinal.errors import DataError

ALWAYS_ALLOWED = 256e6
"""bytes that any file may claim"""

MAX_RATIO = 300
"""bytes in memory for each byte of a file; zeros are compressed to a thousandth, tables
of mostly zeros to a two hundredth"""

MAX_TEXT_RATIO = 100
"""bytes that a byte of compressed text inflates to; tables of numbers have 2 to 30"""


def check_claimed_size(
    num_bytes: float, file_bytes: float, claim: str, cure: str
) -> None:
    """Raise DataError if a claim needs more memory than it may take, or than is free.

    num_bytes: the memory that is needed. file_bytes: the size of the file or arrays
    that make the claim. claim: subject and verb, such as `a.npz has 2 arrays`.
    """
    limit = max(ALWAYS_ALLOWED, MAX_RATIO * file_bytes)
    free = free_memory()
    if num_bytes <= min(limit, free):
        return
    if num_bytes <= limit:
        why = f"{_format_bytes(free)} are free"
    else:
        why = f"for {_format_bytes(file_bytes)} of data, {_format_bytes(limit)} is "
        why += "allowed"
    raise DataError(
        f"{claim}, which would take about {_format_bytes(num_bytes)} of memory; {why}. "
        f"{cure}"
    )


class CheckedGzip(gzip.GzipFile):
    """A compressed text, read until it inflates to more than a text can."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self.path = path

    def read(self, size: int | None = -1) -> bytes:
        """Return `size` bytes; DataError where they are far more than the file's."""
        return self._checked(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, as `read`."""
        return self._checked(super().read1(size))

    def _checked(self, data: bytes) -> bytes:
        inflated = self.tell()
        if inflated > ALWAYS_ALLOWED and inflated > MAX_TEXT_RATIO * self.num_read:
            raise DataError(
                f"{self.path} is damaged or no text: {_format_bytes(self.num_read)} of "
                f"it inflate to {_format_bytes(inflated)}. Decompress it, and look."
            )
        return data

    @property
    def num_read(self) -> int:
        """The number of compressed bytes that were read."""
        file: Any = self.fileobj
        return file.tell() if file is not None else 0


def check_npy_header(file: Any, file_bytes: int, name: str) -> None:
    """Raise DataError if an .npy file claims an array that it cannot hold.

    file: open for reading in binary, at its beginning; file_bytes: its length.
    name: of the array, for messages. Arrays of Python objects are refused.
    """
    from numpy.lib import format as npy

    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in readers:
        raise DataError(f"{name} cannot be read: its version of .npy is {version}.")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject:
        raise DataError(
            f"{name} cannot be read without unpickling: it holds Python objects. Save "
            "numbers or texts."
        )
    claimed = max(dtype.itemsize, 1)
    for length in shape:
        claimed *= length
    if claimed > file_bytes or min(shape, default=0) < 0:
        raise DataError(
            f"{name} is damaged: its header says {list(shape)} of {dtype}, but it has "
            f"{file_bytes:,} bytes."
        )


def _format_bytes(num_bytes: float) -> str:
    if num_bytes < 1e6:
        return f"{num_bytes:,.0f} bytes"
    if num_bytes < 1e9:
        return f"{num_bytes / 1e6:,.0f} MB"
    return f"{num_bytes / 1e9:,.1f} GB"
