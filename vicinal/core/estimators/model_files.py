"""Linear heads, networks and names as tensors of a model file.

Sizes in model.json are compared with the tensors before memory is allocated. If they
differ, ValueError is raised, which `vicinal.load` turns into a ModelFileError.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.core.training.linear_head import Head

Network = TypeVar("Network", bound=nn.Module)

FLOATS = torch.float32, torch.float64
"""dtypes of features and of linear models"""

NAME_END = -1
"""separates names that are stored as code points"""


class TensorOf(NamedTuple):
    """The dtypes and the shape of a tensor; sizes with the same name are equal."""

    dtypes: tuple[torch.dtype, ...]
    shape: tuple[int | str, ...]


def check_tensors(
    tensors: Tensors, expected: Mapping[str, TensorOf], **sizes: int
) -> dict[str, int]:
    """Return the named sizes of tensors; ValueError where one is missing or differs.

    sizes: those that are known already.
    """
    for name, (dtypes, shape) in expected.items():
        t = tensors.get(name)
        known = [sizes.get(n, n) if isinstance(n, str) else n for n in shape]
        if t is None or t.dtype not in dtypes or not _fits(known, t.shape):
            dtype = " or ".join(map(_dtype_name, dtypes))
            got = "nothing" if t is None else f"{_dtype_name(t.dtype)} {list(t.shape)}"
            raise ValueError(
                f"{name} must be {dtype} [{', '.join(map(str, known))}]. Got {got} "
                "instead"
            )
        named = zip(known, t.shape, strict=True)
        sizes |= {size: length for size, length in named if isinstance(size, str)}
    return sizes


def check_rows(name: str, rows: np.ndarray, count: int) -> None:
    """Raise ValueError unless all of `rows` are from 0 to below `count`."""
    if rows.size and not (rows.min() >= 0 and rows.max() < count):
        raise ValueError(
            f"{name} must be rows from 0 to {count - 1:,}. Got {rows.min():,} to "
            f"{rows.max():,} instead"
        )


def _fits(sizes: Sequence[int | str], shape: Sequence[int]) -> bool:
    """Return whether a shape has these sizes, where a name stands for any size."""
    if len(sizes) != len(shape):
        return False
    pairs = zip(sizes, shape, strict=True)
    return all(isinstance(size, str) or size == length for size, length in pairs)


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def head_tensors(name: str, head: Head) -> Tensors:
    """Return the weights and bias of a linear head as tensors `name.*`."""
    arrays = {"weights": head.weights, "bias": head.bias}
    return {
        f"{name}.{key}": torch.from_numpy(np.ascontiguousarray(array))
        for key, array in arrays.items()
    }


def restore_head(
    name: str, tensors: Tensors, penalty: float, features: int, outputs: int
) -> Head:
    """Return the head [features, outputs] whose tensors `head_tensors` made."""
    weights, bias = f"{name}.weights", f"{name}.bias"
    expected = {
        weights: TensorOf(FLOATS, (features, outputs)),
        bias: TensorOf(FLOATS, (outputs,)),
    }
    check_tensors(tensors, expected)
    return Head(tensors[weights].numpy(), tensors[bias].numpy(), penalty)


def network_tensors(network: nn.Module, name: str = "network") -> Tensors:
    """Return the weights and statistics of a network as tensors `name.*`."""
    return {f"{name}.{key}": value for key, value in network.state_dict().items()}


def restore_network(
    build: Callable[[], Network], tensors: Tensors, name: str = "network"
) -> Network:
    """Return the network of the tensors that `network_tensors` made, in eval mode.

    ValueError if `build` makes a network with other tensors, without building it.
    """
    return load_network(build, with_prefix(name, tensors)).eval()


RANDOM_FILLS = (
    Tensor.normal_,
    Tensor.uniform_,
    Tensor.erfinv_,
    Tensor.mul,
    Tensor.add,
)
"""methods of a tensor by which layers draw their weights: its shape stays"""


class SkipInitialization(TorchFunctionMode):
    """Leave tensors uninitialised: on the device meta, numbers take seconds.

    torch would import the Python versions of these functions, and its compiler.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in (torch.randn, torch.rand):
            return torch.empty(*args, **(kwargs or {}))
        if func is torch.eye:
            return torch.empty(args[0], args[0])
        if func in RANDOM_FILLS:
            return args[0]
        return func(*args, **(kwargs or {}))


def load_network(build: Callable[[], Network], tensors: Tensors) -> Network:
    """Return the network of exactly these tensors, as `restore_network`."""
    with torch.device("meta"), SkipInitialization():  # shapes without memory
        shapes = build().state_dict()
    unknown = sorted(tensors.keys() - shapes.keys())
    if unknown:
        raise ValueError(f"the network has no tensor {unknown[0]!r}")
    expected = {k: TensorOf((t.dtype,), tuple(t.shape)) for k, t in shapes.items()}
    check_tensors(tensors, expected)
    network = build()
    network.load_state_dict(tensors)
    return network


def encode_names(names: Sequence[str] | np.ndarray) -> Tensor:
    """Return texts as one tensor: bytes of UTF-8, separated by zeros.

    Texts that hold zeros, or are no UTF-8, are int32 code points, separated by -1.
    """
    try:
        data = bytearray("\0".join(names).encode())
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        data = None
    if data is None or data.count(0) >= max(len(names), 1):
        codes = [code for name in names for code in (NAME_END, *map(ord, name))]
        return torch.tensor(codes[1:], dtype=torch.int32)
    return torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0).byte()


def decode_names(name: str, tensors: Tensors) -> np.ndarray:
    """Return the texts of the tensor `name`, which `encode_names` made.

    ValueError for other tensors.
    """
    check_tensors(tensors, {name: TensorOf((torch.uint8, torch.int32), ("codes",))})
    tensor = tensors[name]
    if tensor.dtype == torch.int32:
        codes = tensor.numpy()
        first, *rest = np.split(codes, np.flatnonzero(codes == NAME_END))
        parts = [first, *(part[1:] for part in rest)]
        texts = ["".join(map(chr, part.tolist())) for part in parts]
    else:
        texts = tensor.numpy().tobytes().decode().split("\0")
    return np.array(texts, dtype=object)
