"""What a network runs on when it answers: torch, folded, or OpenVINO where faster.

Few pictures are answered by the network as it is. For many it is worth a second to
fold its batch norms, or to trace it for OpenVINO; which of them is faster is measured
once on a machine and remembered. All say the same but for rounding.
"""

import functools
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.compute import openvino as inference
from vicinal.core.compute.batchnorm_folding import folded
from vicinal.core.compute.openvino import kept_on_openvino, on_openvino
from vicinal.core.compute.runtime import Runtime, candidates, fastest, remembered
from vicinal.core.compute.threads import cores
from vicinal.core.settings import Precision
from vicinal.images.data.cache import PixelCache, cache_folder
from vicinal.images.data.decode import RULES, Preprocessing
from vicinal.images.data.preprocess import cropped, to_input
from vicinal.images.networks.base import Network

MANY = 256
"""pictures from which preparing an engine takes less time than it saves"""

BATCH = 64

TRACED = "from-bytes"
"""in the names of traced networks: what is traced; to be changed when that does"""

Engine = Callable[[np.ndarray], Tensor]
"""from pixels [B, S, S, C] of uint8 to embeddings [B, D], float32, on the CPU"""


def engine(
    network: Network, how: Preprocessing, form: Runtime, *, many: bool
) -> Engine:
    """What computes embeddings in a form; prepared for `many` pictures or as it is.

    The network is not changed by what is prepared from it, nor the reverse.
    """
    if many and form.engine == "openvino":
        return _openvino(network, how, form)
    if many and not form.exact:
        network = _folded(network, how)
        if form.precision == "bfloat16":
            _convolutions_in_bfloat16(network)
    form.prepare(network)

    @torch.inference_mode()
    def answer(pixels: np.ndarray) -> Tensor:
        network.eval()  # it may be learning between two answers
        x = form.place(to_input(pixels, how, form.device))
        with form.threaded(), form.active():
            return network.embed(x).float().cpu()

    return answer


def network_key(network: Network, how: Preprocessing, form: Runtime) -> str:
    """Names all that features depend on: weights, preprocessing, number format."""
    sha = hashlib.sha256(repr((how, form.precision, form.engine, RULES)).encode())
    sha.update(type(network).__name__.encode())
    for name, tensor in network.state_dict().items():
        if not name.startswith(network.head_name + "."):
            sha.update(name.encode())
            sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()[:32]


def _folded(network: Network, how: Preprocessing) -> Network:
    device = next(network.parameters()).device
    side = how.image_size
    example = torch.rand(1, how.channels, side, side, device=device)
    plain = folded(network, example)
    assert isinstance(plain, Network)
    return plain


def _convolutions_in_bfloat16(network: Network) -> None:
    """Round the weights once, and not again for every batch as autocast would."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(torch.bfloat16)


def _openvino(network: Network, how: Preprocessing, form: Runtime) -> Engine:
    """The network on OpenVINO; scaling the pixels becomes part of its first layer."""
    side = how.store_size
    example = torch.zeros(2, side, side, how.channels, dtype=torch.uint8)
    kept = _kept(network, how, form)
    found = _read(kept, form)
    if found is None:
        from_pixels = _FromPixels(_folded(network, how), how)
        found = _engine(on_openvino(from_pixels, example, form.precision, kept))
        PixelCache(kept.parent).trim()
    return found


def _kept(network: Network, how: Preprocessing, form: Runtime) -> Path:
    """Where the traced network is kept."""
    return cache_folder() / "traced" / f"{network_key(network, how, form)}-{TRACED}.xml"


def _read(kept: Path, form: Runtime) -> Engine | None:
    answer = kept_on_openvino(kept, form.precision)
    return None if answer is None else _engine(answer)


def _engine(answer: Callable[[np.ndarray], np.ndarray]) -> Engine:
    return lambda pixels: torch.from_numpy(answer(pixels).astype(np.float32))


class _FromPixels(nn.Module):
    """Embeddings [B, D] of pixels [B, S, S, C] of uint8, for the tracer."""

    def __init__(self, network: Network, how: Preprocessing) -> None:
        super().__init__()
        self.network, self.how = network, how

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network.embed(cropped(pixels, self.how))


@dataclass
class Engines:
    """How one trained network answers on this machine; engines are made when needed."""

    network: Network
    how: Preprocessing
    form: Runtime
    """in which it learned: few pictures are answered in it"""

    backbone: str
    precision: Precision
    cache: bool
    """whether what was measured is remembered"""

    _made: dict[bool, Engine] = field(default_factory=dict)
    _begun: Future[Engine | None] | None = None
    """the engine for many pictures, on its way"""

    def embed(self, pixels: np.ndarray, *, many: bool) -> Tensor:
        """Embeddings [B, D] of pixels [B, S, S, C] of uint8, float32 on the CPU."""
        if many not in self._made:
            started_at = self._begun.result() if many and self._begun else None
            self._made[many] = started_at or self._make(many)
        return self._made[many](pixels)

    def begin(self) -> None:
        """Read the engine for many pictures in a thread, while other work goes on.

        Only where it is on disk: torch's tracers change what a call of any module does,
        in every thread.
        """
        if self._begun is not None or True in self._made:
            return
        form = self.form_for(many=True)
        if form.engine == "openvino":
            thread = ThreadPoolExecutor(1)
            kept = _kept(self.network, self.how, form)
            self._begun = thread.submit(_read, kept, form)
            thread.shutdown(wait=False)

    def _make(self, many: bool) -> Engine:
        return engine(self.network, self.how, self.form_for(many), many=many)

    @torch.inference_mode()
    def logits(self, z: Tensor) -> Tensor:
        """Logits [B, K] of embeddings, in float32 whatever came before."""
        head = self.network.head
        return F.linear(z, head.weight.float().cpu(), head.bias.float().cpu())

    def form_for(self, many: bool) -> Runtime:
        """The form for few pictures, or the one measured to be fastest for many."""
        if not many or self.form.exact:
            return replace(self.form, engine="torch", compiled=False)
        return self._fastest

    @functools.cached_property
    def _fastest(self) -> Runtime:
        forms = candidates(self.form.device, self.precision, self.form.exact)
        return fastest_forward(
            self.network, self.how, forms, self.backbone, many=True, cache=self.cache
        )


def fastest_forward(
    network: Network,
    how: Preprocessing,
    forms: list[Runtime],
    backbone: str,
    *,
    many: bool,
    cache: bool = True,
) -> Runtime:
    """The form in which a network answers fastest here, OpenVINO among them for many.

    It is measured once on a machine and remembered (with `cache`): what else runs there
    is to change no result. None is compiled: decoding is slower than an accelerator.
    """
    forms = [form for form in forms if not form.compiled]
    side = how.image_size
    x = torch.rand(16, how.channels, side, side)

    def measure() -> Runtime:
        form = fastest(network, x, forms, repeats=2, learning=False)
        return _faster_engine(network, how, form) if many else form

    return remember(f"answering {many}", backbone, x, forms, measure, cache)


def remember(
    what: str,
    backbone: str,
    x: Tensor,
    forms: list[Runtime],
    measure: Callable[[], Runtime],
    cache: bool,
) -> Runtime:
    """The form measured on this machine before, else the one that `measure` finds."""
    if not cache or len(forms) == 1:
        return measure()
    how = [what, backbone, list(x.shape), [str(form) for form in forms]]
    key = " ".join(map(str, [*how, torch.__version__, cores()]))
    return remembered(cache_folder() / "forms.json", key, measure)


def _faster_engine(network: Network, how: Preprocessing, form: Runtime) -> Runtime:
    """The form, on OpenVINO where that is here and faster."""
    if form.device != "cpu" or form.exact or not inference.is_installed():
        return form
    shape = BATCH, how.store_size, how.store_size, how.channels
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    seconds = {}
    for trial in (form, replace(form, engine="openvino")):
        run = engine(network, how, trial, many=True)
        run(pixels)
        started_at = time.perf_counter()
        run(pixels)
        seconds[trial] = time.perf_counter() - started_at
    return min(seconds, key=seconds.__getitem__)
