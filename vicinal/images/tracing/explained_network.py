"""The forms of a trained network that explanations need.

Attributions need gradients and exact sums; their random controls need hundreds of
predictions, for which the engines of `predict` are fastest. For attributions, batch
norms are folded into the preceding convolutions, which only changes the rounding.
"""

import contextlib
import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.batchnorm_folding import fold_batchnorm
from vicinal.core.compute.memory import keep_memory
from vicinal.core.compute.openvino import is_lost
from vicinal.core.compute.runtime import Runtime
from vicinal.errors import SettingError
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inference.engines import Engines
from vicinal.images.networks.base import Network
from vicinal.images.tracing.gradients import (
    BATCH,
    TorchGradients,
    ValueAndGradient,
    select_fastest,
)
from vicinal.images.tracing.trace import trace_network

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel


@dataclass
class ExplainedNetwork:
    """A network in the forms for predictions, gradients and activations."""

    network: Network
    engines: Engines
    preprocessing: Preprocessing
    _first_image: Tensor | None = field(default=None, init=False, repr=False)
    _several_images: bool = field(default=False, init=False)

    @functools.cached_property
    def traced(self) -> nn.Module:
        """The unchanged network, as a traced graph if it can be traced."""
        return _trace_if_possible(self.network.eval())

    @functools.cached_property
    def folded(self) -> Network:
        """A float32 copy with folded batch norms and frozen weights.

        Making it takes about as long as one attribution.
        """
        network = fold_batchnorm(self.network, self._example(), in_place=False)
        assert isinstance(network, Network)
        return self._prepare(network.requires_grad_(False))

    @functools.cached_property
    def folded_traced(self) -> nn.Module:
        """The folded copy, as a traced graph if it can be traced."""
        return _trace_if_possible(self.folded)

    @functools.cached_property
    def forward_only(self) -> nn.Module:
        """A second copy, without gradients: its activations work in place."""
        return self._prepare(fold_batchnorm(self.folded, self._example()))

    def _prepare(self, network: Any) -> Any:
        return Runtime(self.engines.runtime.device, channels_last=True).prepare(network)

    def _example(self, n: int = 1) -> Tensor:
        """Return random images [N, C, H, W]."""
        parameter = next(self.network.parameters())
        side, channels = self.preprocessing.image_size, self.preprocessing.channels
        return torch.rand(n, channels, side, side, device=parameter.device)

    @functools.cached_property
    def torch_gradients(self) -> TorchGradients:
        """The folded network by torch."""
        return TorchGradients(self.folded_traced, self.forward_only)

    @functools.cached_property
    def fastest_gradients(self) -> ValueAndGradient:
        """The folded network by torch or OpenVINO, as is faster here."""
        example = self._example(BATCH)
        return select_fastest(self.torch_gradients, self.folded, example)

    def value_and_gradient(self, image: Tensor) -> ValueAndGradient:
        """Return the folded network for values and gradients of an image [C, H, W].

        Selecting the fastest takes longer than the attributions of one image, so it
        waits for a second image.
        """
        if self._first_image is None:
            self._first_image = image
        self._several_images |= not torch.equal(image, self._first_image)
        exact = self.engines.runtime.deterministic or is_lost()
        if self._several_images and not exact:
            return self.fastest_gradients
        return self.torch_gradients

    def logits(self, pixels: np.ndarray, *, many: bool = True) -> Tensor:
        """Return logits [N, K], float32 on the CPU, for pixels [N, H, W, C] of uint8.

        pixels: the network's input, without the crop margin. many: use the fastest
        engine instead of the one for single images.
        """
        batches = (pixels[k : k + BATCH] for k in range(0, len(pixels), BATCH))
        embeddings = [
            self.engines.embed(add_crop_margin(b, self.preprocessing), many=many)
            for b in batches
        ]
        return self.engines.logits(torch.cat(embeddings))


def add_crop_margin(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Pad pixels [N, H, W, C] to the stored size [N, S, S, C]; undoes the crop."""
    margin = (preprocessing.store_size - preprocessing.image_size) // 2
    after = preprocessing.store_size - preprocessing.image_size - margin
    return np.pad(pixels, ((0, 0), (margin, after), (margin, after), (0, 0)))


def get_explained_network(model: "ImageModel") -> ExplainedNetwork:
    """Return the explained network of a model; made again when its weights change."""
    tensors = model.network_.state_dict(keep_vars=True).values()
    state = tuple((id(tensor), tensor._version) for tensor in tensors)
    if model.explained_networks is None or model.explained_networks[0] != state:
        model.explained_networks = state, _make_explained_network(model)
    return model.explained_networks[1]


def _make_explained_network(model: "ImageModel") -> ExplainedNetwork:
    keep_memory()
    engines = Engines(
        model.network_,
        model.preprocessing_,
        replace(model.runtime_, compiled=False),
        model.backbone_,
        model.settings_.precision,
        model.settings_.cache,
    )
    return ExplainedNetwork(model.network_, engines, model.preprocessing_)


def _trace_if_possible(network: nn.Module) -> nn.Module:
    with contextlib.suppress(SettingError):  # raised again by whoever needs the trace
        return trace_network(network)
    return network
