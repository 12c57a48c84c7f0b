"""A program that reads a MATLAB file and writes its arrays as .npz.

    python matlab_reader.py FILE.mat ARRAYS.npz MAX_BYTES SECONDS

It imports NumPy and SciPy only. Prints JSON: {"names": [...]}, or {"error": text}.
"""

import json
import sys
from pathlib import Path
from typing import Any


def read(path: str) -> tuple[dict[str, Any], list[str]]:
    """Return the parts of the numeric arrays, and the names of all variables.

    The parts are `K`, or `K_data`, `K_indices`, `K_indptr` and `K_shape` of a sparse
    array, where K is the number of the variable.
    """
    import numpy as np
    from scipy.io import loadmat
    from scipy.sparse import issparse

    parts, names = {}, []
    for name, value in loadmat(path).items():
        if name.startswith("__"):
            continue
        number = len(names)
        names.append(name)
        if issparse(value):  # not checked: its pointers may be wrong
            value = value.tocsc() if value.format == "coo" else value
            for part in ("data", "indices", "indptr"):
                parts[f"{number}_{part}"] = getattr(value, part)
            parts[f"{number}_shape"] = np.array(value.shape)
        elif value.dtype.kind in "biufU":
            parts[str(number)] = value
    return parts, names


def limit_resources(max_bytes: float, seconds: float) -> None:
    """Limit the further memory of this process, and its time on a processor."""
    try:
        import resource

        statm = Path("/proc/self/statm").read_text(encoding="ascii")
    except (ImportError, OSError):  # other systems than Linux
        return
    used = int(statm.split()[0]) * resource.getpagesize()
    limits = ((resource.RLIMIT_AS, used + max_bytes), (resource.RLIMIT_CPU, seconds))
    for kind, limit in limits:
        _, highest = resource.getrlimit(kind)
        if highest == resource.RLIM_INFINITY or limit < highest:
            resource.setrlimit(kind, (int(limit), highest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    import numpy as np
    import scipy.io
    import scipy.sparse  # noqa: F401 - before memory is limited

    path, arrays, max_bytes, seconds = sys.argv[1:]
    limit_resources(float(max_bytes), float(seconds))
    try:
        parts, names = read(path)
        np.savez(arrays, **parts)
        answer = {"names": names}
    except Exception as error:  # damaged files raise anything
        answer = {"error": str(error), "type": type(error).__name__}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
