"""Initialize a network with the body of a trained one.

The body (all layers but the last) is copied; the head, which belongs to the old
classes, is not. Yosinski et al. 2014, "How transferable are features in deep neural
networks?"
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from vicinal.core.estimators.estimator import (
    MODEL_TENSORS,
    load_finite,
    read_model,
    read_weights,
)
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.run_folder import MODEL_JSON, is_run
from vicinal.errors import SettingError
from vicinal.images.networks.base import Network

DETECTOR_PREFIX = "outlier_detector."
"""prefix of the tensors in a model file that belong to the outlier detector"""

MAX_LISTED = 5
"""mismatches that an error message lists"""


def read_description(source: str) -> dict[str, Any] | None:
    """Return the description in a model directory; None for a file of tensors."""
    path = Path(source)
    return read_model(path) if (path / MODEL_JSON).exists() else None


def read_network(source: str) -> tuple[Tensors, dict[str, Any] | None]:
    """Return the network's tensors and the description of a model directory.

    source: a model directory, or a .safetensors file, which has no description.
    """
    path, description = Path(source), read_description(source)
    if description is not None:
        tensors = read_weights(path, description)
        network = {
            name: tensor
            for name, tensor in tensors.items()
            if not name.startswith(DETECTOR_PREFIX)
        }
        return network, description
    if path.is_dir() and is_run(path):
        read_model(path)  # an unfinished run: the error says how to resume
    path = path / MODEL_TENSORS if path.is_dir() else path
    return load_finite(path), None


def copy_body(network: Network, tensors: Tensors, source: str) -> None:
    """Copy the body's weights into a network; its head is left as it is.

    Raises SettingError, with a list, when the weights do not fit this network.
    """
    own = network.state_dict()
    body = {k: t for k, t in own.items() if not k.startswith(network.head_name + ".")}
    mismatches = [_describe_mismatch(name, t, tensors) for name, t in body.items()]
    mismatches = [text for text in mismatches if text]
    if mismatches:
        more = "; ..." if len(mismatches) > MAX_LISTED else ""
        raise SettingError(
            f"The weights in {source} do not fit this network: {len(mismatches)} of "
            f"{len(body)} tensors differ ({'; '.join(mismatches[:MAX_LISTED])}{more}). "
            "Choose the --backbone they were made for."
        )
    network.load_state_dict(own | {name: tensors[name] for name in body})


def _describe_mismatch(name: str, expected: Tensor, tensors: Tensors) -> str:
    """Return a description, or "" where the tensor fits."""
    if name not in tensors:
        return f"{name} is missing"
    shape = tensors[name].shape
    if shape != expected.shape:
        return f"{name} is {list(shape)}, expected {list(expected.shape)}"
    return ""
