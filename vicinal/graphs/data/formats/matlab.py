"""MATLAB files, read by another process: a damaged one may crash the reader."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from vicinal.core.data.claimed_size import ALWAYS_ALLOWED, MAX_RATIO
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.graphs.data.detect import ADJACENCY_ARRAYS
from vicinal.graphs.data.formats import matlab_reader
from vicinal.graphs.data.formats.arrays import (
    compressed_matrix,
    load_arrays,
    sparse_from_dense,
)
from vicinal.graphs.data.formats.forms import ReadOptions
from vicinal.graphs.data.from_arrays import from_matrix, is_matrix
from vicinal.graphs.data.graph_table import GraphTable

SHORTEST = 20
"""bytes of the header of the oldest version"""

SECONDS, BYTES_PER_SECOND = 20, 2e6
"""time on a processor for a file, and for each of its bytes"""


def read_mat(path: Path, options: ReadOptions) -> GraphTable:
    """Read the only square matrix in a MATLAB file; sparse ones come first."""
    variables, others = _read_variables(path)
    matrices = {name: v for name, v in variables.items() if is_matrix(v)}
    if not matrices:
        matrices = {
            name: sparse_from_dense(array, f"{name} in {path}")
            for name, array in variables.items()
            if name in ADJACENCY_ARRAYS
            and not hasattr(array, "tocoo")
            and array.ndim == 2
            and array.shape[0] == array.shape[1]
        }
    if len(matrices) != 1:
        raise DataError(
            f"{path} must hold one square sparse matrix. Got {len(matrices)} in "
            f"{pluralize(len(variables) + len(others), 'variable')}."
        )
    (name, matrix), *_ = matrices.items()
    table = from_matrix(matrix)
    ignored = sorted({*variables, *others} - {name})
    if ignored:
        note = f"the adjacency is {name}; ignored: {', '.join(ignored)}"
        table = table.replace(notes=[note, *table.notes])
    return table


def _read_variables(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the numeric variables of a file by name, and the names of the others."""
    with tempfile.TemporaryDirectory(prefix="vicinal-") as directory:
        file = Path(directory) / "arrays.npz"
        names = _run_reader(path, file)
        arrays = load_arrays(file)
    variables, others = {}, []
    for number, name in enumerate(names):
        if str(number) in arrays:
            variables[name] = arrays[str(number)]
        elif f"{number}_data" in arrays:
            parts = {
                part: arrays.get(f"{number}_{part}")
                for part in ("data", "indices", "indptr", "shape")
            }
            where = f"{path}: the sparse matrix {name}"
            variables[name] = compressed_matrix(parts, where, column=True)
        else:
            others.append(name)
    return variables, others


def _run_reader(path: Path, arrays: Path) -> list[str]:
    """Write the arrays of a file as .npz; return the names of its variables."""
    size = path.stat().st_size
    if size < SHORTEST:
        raise DataError(f"{path} cannot be read: it is too short for a MATLAB file.")
    seconds = SECONDS + size / BYTES_PER_SECOND
    max_bytes = max(ALWAYS_ALLOWED, MAX_RATIO * size)
    program = [sys.executable, "-P", str(Path(matlab_reader.__file__))]
    arguments = map(str, (path, arrays, max_bytes, seconds))
    try:
        result = subprocess.run(
            [*program, *arguments],
            capture_output=True,
            timeout=20 * seconds,
            check=True,
            encoding="utf-8",
        )
        answer = json.loads(result.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        raise DataError(
            f"{path} is damaged: reading it failed. Save it again in MATLAB with "
            "save(..., '-v7')."
        ) from error
    if answer.get("type") == "NotImplementedError":
        raise DataError(
            f"{path} is a MATLAB 7.3 file (HDF5), which is not read. Save it with "
            "save(..., '-v7')."
        )
    if "error" in answer:
        why = answer["error"].strip().rstrip(".") or answer["type"]
        if answer["type"] == "MemoryError":
            why = f"it is damaged, or needs more than {max_bytes / 1e6:,.0f} MB"
        raise DataError(f"{path} cannot be read: {why}.")
    return answer["names"]
