"""Sizes that a file claims are checked before memory is taken for them."""

import gzip
import io

import numpy as np
import pytest

from vicinal.core.data import claimed_size
from vicinal.core.data.claimed_size import (
    CheckedGzip,
    check_claimed_size,
    check_npy_header,
)
from vicinal.errors import DataError


def test_a_claim_is_limited_by_the_file_and_by_free_memory(monkeypatch):
    monkeypatch.setattr(claimed_size, "free_memory", lambda: 2e9)
    check_claimed_size(256e6, 10, "It has", "")  # any file may claim this much
    check_claimed_size(1.9e9, 10e6, "It has", "")
    with pytest.raises(DataError, match=r"300 MB of memory; for 10 bytes .* 256 MB is"):
        check_claimed_size(300e6, 10, "It has", "Remove it.")
    with pytest.raises(DataError, match=r"2\.1 GB of memory; 2\.0 GB are free\. Cure"):
        check_claimed_size(2.1e9, 10e6, "It has", "Cure.")


def header(shape: tuple[int, ...], dtype: str) -> io.BytesIO:
    file = io.BytesIO()
    description = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, description)
    file.write(bytes(64))
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2**41,), "<i8"), ((2**40,), "|V0"), ((2**40,), "<U0"), ((-1,), "<i8")],
)
def test_an_array_larger_than_its_file_is_refused(shape, dtype):
    file = header(shape, dtype)
    with pytest.raises(DataError, match="x is damaged: its header says"):
        check_npy_header(file, len(file.getvalue()), "x")


def test_arrays_that_fit_and_python_objects():
    for array in (np.ones((2, 3)), np.array([]), np.array(["a", "bc"]), np.array(3)):
        file = io.BytesIO()
        np.save(file, array)
        file.seek(0)
        check_npy_header(file, len(file.getvalue()), "x")
    with pytest.raises(DataError, match="without unpickling"):
        check_npy_header(header((2,), "|O"), 200, "x")


def test_a_compressed_text_that_inflates_to_zeros(tmp_path, monkeypatch):
    monkeypatch.setattr(claimed_size, "ALWAYS_ALLOWED", 1e5)
    rows = "".join(f"{k},{k * 7919 % 10007}\n" for k in range(30_000)).encode()
    for name, contents in (("rows.gz", rows), ("zeros.gz", bytes(10_000_000))):
        (tmp_path / name).write_bytes(gzip.compress(contents))
    with io.TextIOWrapper(CheckedGzip(tmp_path / "rows.gz")) as file:
        assert sum(1 for _ in file) == 30_000
    with (
        CheckedGzip(tmp_path / "zeros.gz") as file,
        pytest.raises(DataError, match=r"is damaged or no text: .* inflate to"),
    ):
        while file.read1(100_000):
            assert file.tell() < 1_000_000
