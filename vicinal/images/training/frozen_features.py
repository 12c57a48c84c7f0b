"""Features of a frozen network, computed once per image and cached on disk.

Features do not change while the body is frozen, so the linear probe, the search for
near duplicates, the learning curve and later runs share them. They are cached in
chunks: an interrupted run continues after the last chunk, and two processes may fill
one cache. A damaged chunk is computed again; an unwritable cache only costs time.
"""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from vicinal.core.compute.runtime import Runtime
from vicinal.core.storage.checkpoint import load_tensors, save_tensors
from vicinal.errors import RunError
from vicinal.images.data.audit import ProgressCallback
from vicinal.images.data.cache import PixelCache, cache_directory, warn_unwritable
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inference.engines import MANY_IMAGES, make_engine, network_hash
from vicinal.images.networks.base import Network

BATCH_SIZE = 64
CHUNK_SIZE = 512
"""images whose features are cached in one file"""


@dataclass
class FeatureCache:
    """Features [D] by image digest, of one network and one preprocessing."""

    key: str
    folder: Path = field(default_factory=lambda: cache_directory() / "features")
    writable: bool = True

    def load(self, size: int) -> dict[bytes, np.ndarray]:
        """Return all undamaged features of `size` numbers, by digest."""
        features_by_digest: dict[bytes, np.ndarray] = {}
        for path in sorted((self.folder / self.key).glob("*.safetensors")):
            with suppress(RunError, KeyError):  # damaged: computed again
                tensors, _ = load_tensors(path)
                digests, features = tensors["digests"], tensors["features"]
                digest_sizes = digests.shape[1:]
                if features.shape != (len(digests), size) or digest_sizes != (16,):
                    continue
                rows = zip(digests.numpy(), features.numpy(), strict=True)
                features_by_digest.update((d.tobytes(), row) for d, row in rows)
        return features_by_digest

    def add(self, digests: np.ndarray, features: np.ndarray) -> None:
        """Save features [n, D] of images with digests [n] of sixteen bytes."""
        if not self.writable:
            return
        digest_bytes = digests.view(np.uint8).reshape(-1, 16)
        tensors = {
            "digests": torch.from_numpy(digest_bytes.copy()),
            "features": torch.from_numpy(features),
        }
        path = self.folder / self.key / f"{uuid.uuid4().hex}.safetensors"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_tensors(path, tensors, {})
        except OSError as error:  # disk full or no permission: continue without a cache
            self.writable = False
            warn_unwritable(self.folder, error.__cause__ or error)
            return
        PixelCache(self.folder).trim()


def extract_features(
    images: ImageDataset,
    network: Network,
    preprocessing: Preprocessing,
    runtime: Runtime,
    *,
    many: bool | None = None,
    cache: bool = True,
    report_progress: ProgressCallback | None = None,
) -> np.ndarray:
    """Return the network's embedding of each image: [N, D] float32.

    many: whether the engine is one for many images; None: if these are.
    report_progress(done, total) is called after each batch; it may raise to stop.
    """
    size, total = network.embedding_size, len(images)
    many = total >= MANY_IMAGES if many is None else many
    disk_cache = (
        FeatureCache(network_hash(network, preprocessing, runtime)) if cache else None
    )
    cached = disk_cache.load(size) if disk_cache else {}
    features = np.empty((total, size), dtype=np.float32)
    missing = []
    for row, digest in enumerate(images.digests):
        if (feature := cached.get(digest.tobytes())) is None:
            missing.append(row)
        else:
            features[row] = feature
    done = total - len(missing)
    embed = make_engine(network, preprocessing, runtime, many=many)
    for start in range(0, len(missing), CHUNK_SIZE):
        chunk = np.array(missing[start : start + CHUNK_SIZE])
        for rows in _batches(chunk):
            features[rows] = embed(images.batch(rows)).numpy()
            done += len(rows)
            if report_progress is not None:
                report_progress(done, total)
        if disk_cache:
            disk_cache.add(images.digests[chunk], features[chunk])
    return features


def _batches(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[i : i + BATCH_SIZE] for i in range(0, len(rows), BATCH_SIZE))
