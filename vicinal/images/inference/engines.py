"""Engines that compute embeddings: torch, torch with folded batch norms, or OpenVINO.

Few images are embedded by the network as it is. For many, a second is well spent on
folding batch norms or tracing the network for OpenVINO; the faster one is measured once
per machine and remembered. All agree up to rounding.
"""

import functools
import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.compute import openvino
from vicinal.core.compute.batchnorm_folding import fold_batchnorm
from vicinal.core.compute.runtime import (
    Runtime,
    cached_runtime,
    candidate_runtimes,
    fastest_runtime,
)
from vicinal.core.compute.threads import network_lock, num_cores
from vicinal.core.settings import Precision
from vicinal.images.data.cache import PixelCache, cache_directory
from vicinal.images.data.decoding.decode import DECODER_VERSION, Preprocessing
from vicinal.images.data.decoding.preprocess import center_crop, to_input
from vicinal.images.networks.base import Network

MANY_IMAGES = 256
"""images from which preparing an engine takes less time than it saves"""

TIMING_BATCH = 16
"""images that engines are timed on"""

BATCH_BYTES = 64e6
"""pixels of a batch: the feature maps of a network take up to 100 times as much"""

TRACE_VERSION = "from-bytes"
"""part of the names of traced networks; change it when `_FromPixels` changes"""

Engine = Callable[[np.ndarray], Tensor]
"""maps pixels [B, S, S, C] uint8 to embeddings [B, D], float32 on the CPU"""


def rows_per_batch(size: int, channels: int, most: int | None = None) -> int:
    """Return how many images [S, S, C] are computed at once, one at least."""
    affordable = max(1, int(BATCH_BYTES / (size * size * channels)))
    return affordable if most is None else min(affordable, most)


def make_engine(
    network: Network, preprocessing: Preprocessing, runtime: Runtime, *, many: bool
) -> Engine:
    """Return an engine for a runtime, optimized for many images or not.

    `network` is not modified. Unoptimized engines follow later changes of its weights.
    """
    if many and runtime.engine == "openvino" and not openvino.is_lost():
        return _make_openvino_engine(network, preprocessing, runtime)
    if many and not runtime.deterministic:
        network = _fold(network, preprocessing)
        if runtime.precision == "bfloat16":
            _convolutions_to_bfloat16(network)
    runtime.prepare(network)

    @torch.inference_mode()
    def embed(pixels: np.ndarray) -> Tensor:
        network.eval()  # it may be training between two calls
        x = runtime.move(to_input(pixels, preprocessing, runtime.device))
        with runtime.threaded(), runtime.active():
            return network.embed(x).float().cpu()

    return embed


def network_hash(
    network: Network, preprocessing: Preprocessing, runtime: Runtime
) -> str:
    """Return a hash of all that embeddings depend on: weights, preprocessing, dtype."""
    settings = preprocessing, runtime.precision, runtime.engine, DECODER_VERSION
    sha = hashlib.sha256(repr(settings).encode())
    sha.update(type(network).__name__.encode())
    for name, module in network.named_modules():  # padding, epsilon and the like
        if not any(module.children()) and not name.startswith(network.head_name):
            sha.update(f"{name}: {module!r}".encode())
    for name, tensor in network.state_dict().items():
        if not name.startswith(network.head_name + "."):
            sha.update(name.encode())
            sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()[:32]


def traced_path(
    network: Network, preprocessing: Preprocessing, runtime: Runtime
) -> Path:
    """Return the path in the cache of the network traced for OpenVINO."""
    name = f"{network_hash(network, preprocessing, runtime)}-{TRACE_VERSION}.xml"
    return cache_directory() / "traced" / name


def _fold(network: Network, preprocessing: Preprocessing) -> Network:
    device = next(network.parameters()).device
    side = preprocessing.image_size
    example = torch.rand(1, preprocessing.channels, side, side, device=device)
    folded = fold_batchnorm(network, example)
    assert isinstance(folded, Network)
    return folded


def _convolutions_to_bfloat16(network: Network) -> None:
    """Round the weights once, rather than in every batch as autocast would."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(torch.bfloat16)


def _make_openvino_engine(
    network: Network, preprocessing: Preprocessing, runtime: Runtime
) -> Engine:
    """Return an OpenVINO engine; normalization is fused into the first layer."""
    path = traced_path(network, preprocessing, runtime)
    if (engine := _load_engine(path, runtime)) is not None:
        return engine
    side, channels = preprocessing.store_size, preprocessing.channels
    example = torch.zeros(2, side, side, channels, dtype=torch.uint8)
    from_pixels = _FromPixels(_fold(network, preprocessing), preprocessing)
    function = openvino.compile_with_openvino(
        from_pixels, example, runtime.precision, path
    )
    PixelCache(path.parent).trim()
    return _as_engine(function)


def _load_engine(path: Path, runtime: Runtime) -> Engine | None:
    function = openvino.load_compiled(path, runtime.precision)
    return None if function is None else _as_engine(function)


def _as_engine(function: Callable[[np.ndarray], np.ndarray]) -> Engine:
    return lambda pixels: torch.from_numpy(function(pixels).astype(np.float32))


class _FromPixels(nn.Module):
    """Embeddings [B, D] of pixels [B, S, S, C] uint8, as a module to be traced."""

    def __init__(self, network: Network, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network, self.preprocessing = network, preprocessing

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network.embed(center_crop(pixels, self.preprocessing))


@dataclass
class Engines:
    """The engines of one trained network on this machine, made when first needed."""

    network: Network
    preprocessing: Preprocessing
    runtime: Runtime
    """the runtime of training, which few images are embedded with"""

    backbone: str
    precision: Precision
    cache: bool
    """remember measurements on disk"""

    _engines: dict[bool, Engine] = field(default_factory=dict)
    """by `many`"""

    _preloading: tuple[int, Future[Engine | None]] | None = None
    """the process, and the engine for many images that its thread loads"""

    def embed(self, pixels: np.ndarray, *, many: bool) -> Tensor:
        """Return embeddings [B, D] of pixels [B, S, S, C] uint8.

        Threads take turns. A forked process does not use the OpenVINO of its parent.
        """
        many = many and not openvino.is_lost()
        with network_lock():
            if many not in self._engines:
                engine = self._preloaded() if many else None
                self._engines[many] = engine or self._make(many)
            rows = rows_per_batch(pixels.shape[1], pixels.shape[3])
            starts = range(0, max(len(pixels), 1), rows)
            parts = [pixels[k : k + rows] for k in starts]
            return torch.cat([self._engines[many](part) for part in parts])

    def preload(self) -> None:
        """Start loading the engine for many images in a thread, if it is on disk.

        It is not traced there: torch's tracers change what modules do in every thread.
        """
        if self._preloading is not None or True in self._engines or openvino.is_lost():
            return
        runtime = self.runtime_for(many=True)
        if runtime.engine == "openvino":
            thread = ThreadPoolExecutor(1)
            path = traced_path(self.network, self.preprocessing, runtime)
            future = thread.submit(_load_engine, path, runtime)
            self._preloading = os.getpid(), future
            thread.shutdown(wait=False)

    def _preloaded(self) -> Engine | None:
        """Return the preloaded engine; None in a fork, which lacks its thread."""
        process, future = self._preloading or (0, None)
        return future.result() if future and process == os.getpid() else None

    def _make(self, many: bool) -> Engine:
        runtime = self.runtime_for(many)
        return make_engine(self.network, self.preprocessing, runtime, many=many)

    @torch.inference_mode()
    def logits(self, embeddings: Tensor) -> Tensor:
        """Return logits [B, K] of embeddings [B, D], in float32."""
        head = self.network.head
        return F.linear(embeddings, head.weight.float().cpu(), head.bias.float().cpu())

    def runtime_for(self, many: bool) -> Runtime:
        """Return the runtime for few images, or the one measured fastest for many."""
        if not many or self.runtime.deterministic or openvino.is_lost():
            return replace(self.runtime, engine="torch", compiled=False)
        return self._fastest

    @functools.cached_property
    def _fastest(self) -> Runtime:
        runtimes = candidate_runtimes(
            self.runtime.device, self.precision, self.runtime.deterministic
        )
        return fastest_forward(
            self.network,
            self.preprocessing,
            runtimes,
            self.backbone,
            many=True,
            cache=self.cache,
        )


def fastest_forward(
    network: Network,
    preprocessing: Preprocessing,
    runtimes: list[Runtime],
    backbone: str,
    *,
    many: bool,
    cache: bool = True,
) -> Runtime:
    """Return the runtime with the fastest forward pass; with `many`, also try OpenVINO.

    It is measured once per machine and remembered (with `cache`), so that machine load
    changes no result. None is compiled: decoding is slower than an accelerator.
    """
    runtimes = [runtime for runtime in runtimes if not runtime.compiled]
    side = preprocessing.image_size
    x = torch.rand(TIMING_BATCH, preprocessing.channels, side, side)

    def measure() -> Runtime:
        runtime = fastest_runtime(network, x, runtimes, repeats=2, training=False)
        return _choose_engine(network, preprocessing, runtime) if many else runtime

    return remember_runtime(
        f"inference, many={many}", backbone, x, runtimes, measure, cache=cache
    )


def remember_runtime(
    task: str,
    backbone: str,
    x: Tensor,
    runtimes: list[Runtime],
    measure: Callable[[], Runtime],
    *,
    cache: bool,
) -> Runtime:
    """Return the runtime measured on this machine before, else the result of `measure`.

    task, backbone, the shape of x, runtimes: what the measurement depends on.
    """
    if not cache or len(runtimes) == 1:
        return measure()
    parts = [task, backbone, list(x.shape), [str(runtime) for runtime in runtimes]]
    key = " ".join(map(str, [*parts, torch.__version__, num_cores()]))
    return cached_runtime(cache_directory() / "runtimes.json", key, measure)


def _choose_engine(
    network: Network, preprocessing: Preprocessing, runtime: Runtime
) -> Runtime:
    """Return the runtime, with OpenVINO as its engine where that is faster."""
    if runtime.device != "cpu" or runtime.deterministic or not openvino.is_installed():
        return runtime
    side = preprocessing.store_size
    shape = TIMING_BATCH, side, side, preprocessing.channels
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    seconds = {}
    for candidate in (runtime, replace(runtime, engine="openvino")):
        embed = make_engine(network, preprocessing, candidate, many=True)
        embed(pixels)
        started_at = time.perf_counter()
        embed(pixels)
        seconds[candidate] = time.perf_counter() - started_at
    return min(seconds, key=seconds.__getitem__)
