"""A trained network in the two forms in which it is asked from inside.

A map wants gradients and exact sums; what holds it against chance wants some hundred
answers soon, which is what the engines of `predict` are for. For maps, batch norms are
in the convolutions before them (`core.folding`): that changes the rounding and nothing
else.
"""

import contextlib
import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.batchnorm_folding import folded
from vicinal.core.compute.memory import keep_memory
from vicinal.core.compute.runtime import Runtime
from vicinal.errors import SettingError
from vicinal.images.data.decode import Preprocessing
from vicinal.images.inference.engines import Engines
from vicinal.images.networks.base import Network
from vicinal.images.tracing.gradients import (
    BATCH,
    TorchGradients,
    ValueAndGradient,
    fastest,
)
from vicinal.images.tracing.trace import traced

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel


@dataclass
class ExplainedNetwork:
    """One network, to be asked for maps and for answers."""

    network: Network
    """as it came"""

    engines: Engines
    how: Preprocessing
    _first: np.ndarray | None = None
    """picture whose maps were asked for"""

    _fastest: ValueAndGradient | None = None

    @functools.cached_property
    def steps(self) -> nn.Module:
        """The network itself, as a graph of its steps if it can be followed."""
        return _followed(self.network.eval())

    @functools.cached_property
    def folded(self) -> Network:
        """A copy in float32, batch norms folded; no gradient is asked of a weight.

        To make it takes as long as the map of one picture that it would serve.
        """
        found = folded(self.network, self._example(), in_place=False)
        assert isinstance(found, Network)
        return self._prepared(found.requires_grad_(False))

    @functools.cached_property
    def plain(self) -> nn.Module:
        """The copy, as a graph of its steps if it can be followed."""
        return _followed(self.folded)

    @functools.cached_property
    def still(self) -> nn.Module:
        """Another, for answers without slopes: activations write over what they get."""
        return self._prepared(folded(self.folded, self._example()))

    def _prepared(self, network: Any) -> Any:
        return Runtime(self.engines.form.device, channels_last=True).prepare(network)

    def _example(self, n: int = 1) -> Tensor:
        """Pictures [N, C, H, W] of noise."""
        first, side = next(self.network.parameters()), self.how.image_size
        return torch.rand(n, self.how.channels, side, side, device=first.device)

    def asked(self, pixels: np.ndarray) -> ValueAndGradient:
        """What maps of a picture ask for numbers and slopes, as is fastest here.

        To prepare and try it takes longer than the maps of one picture: those of the
        first are torch's.
        """
        self._first = pixels if self._first is None else self._first
        plain = TorchGradients(self.plain, self.still)
        if self.engines.form.exact:
            return plain
        if self._fastest is None and np.array_equal(pixels, self._first):
            return plain
        if self._fastest is None:
            self._fastest = fastest(plain, self.folded, self._example(BATCH))
        return self._fastest

    def answer(self, pixels: np.ndarray, *, many: bool = True) -> Tensor:
        """Logits [N, K], float32 on the CPU, of pixels [N, H, W, C] of uint8.

        pixels: what the network sees, without a margin. many: by the fastest engine,
        or as a single picture is answered.
        """
        parts = (pixels[k : k + BATCH] for k in range(0, len(pixels), BATCH))
        found = [self.engines.embed(framed(p, self.how), many=many) for p in parts]
        return self.engines.logits(torch.cat(found))


def framed(pixels: np.ndarray, how: Preprocessing) -> np.ndarray:
    """Pixels [N, H, W, C] that the network sees in the frame [N, S, S, C] of stored
    ones, of which it sees the middle."""
    margin = (how.store_size - how.image_size) // 2
    after = how.store_size - how.image_size - margin
    return np.pad(pixels, ((0, 0), (margin, after), (margin, after), (0, 0)))


def forms_of(model: "ImageModel") -> ExplainedNetwork:
    """The forms of a model's network; made anew where its weights have changed."""
    tensors = model.network_.state_dict(keep_vars=True).values()
    state = tuple((id(tensor), tensor._version) for tensor in tensors)
    if model._inside is None or model._inside[0] != state:
        model._inside = state, _made(model)
    return model._inside[1]


def _made(model: "ImageModel") -> ExplainedNetwork:
    keep_memory()
    engines = Engines(
        model.network_,
        model.preprocessing_,
        replace(model.runtime_, compiled=False),
        model.backbone_,
        model.settings.precision,
        model.settings.cache,
    )
    return ExplainedNetwork(model.network_, engines, model.preprocessing_)


def _followed(network: nn.Module) -> nn.Module:
    with contextlib.suppress(SettingError):  # who needs its steps is told
        return traced(network)
    return network
