"""What a frozen network says of each picture, computed once and kept on disk.

Features do not change while the body is frozen, so the probe, the search for near
copies, the learning curve and every later run share them. They are kept in pieces as
they are computed: a run that is killed goes on after the last piece, and two processes
may fill one cache. A piece that is damaged is left out and computed again; a cache that
is full or cannot be written costs time, never a wrong feature.
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
from vicinal.images.data.cache import PixelCache, cache_folder, tell_unwritable
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.decode import Preprocessing
from vicinal.images.inference.engines import MANY, engine, network_key
from vicinal.images.networks.base import Network

BATCH = 64
PIECE = 512
"""pictures whose features are kept in one file"""


@dataclass
class FeatureCache:
    """Features [D] by a picture's content, of one network and one preprocessing."""

    key: str
    folder: Path = field(default_factory=lambda: cache_folder() / "features")
    writable: bool = True

    def load(self, width: int) -> dict[bytes, np.ndarray]:
        """All that is there whole, by digest."""
        found: dict[bytes, np.ndarray] = {}
        for path in sorted((self.folder / self.key).glob("*.safetensors")):
            with suppress(RunError, KeyError):  # damaged: computed again
                tensors, _ = load_tensors(path)
                digests, features = tensors["digests"], tensors["features"]
                if features.shape != (len(digests), width) or digests.shape[1:] != (
                    16,
                ):
                    continue
                rows = zip(digests.numpy(), features.numpy(), strict=True)
                found.update((digest.tobytes(), row) for digest, row in rows)
        return found

    def add(self, digests: np.ndarray, features: np.ndarray) -> None:
        """Keep features [n, D] of pictures with digests [n] of sixteen bytes."""
        if not self.writable:
            return
        plain = digests.view(np.uint8).reshape(-1, 16)
        tensors = {
            "digests": torch.from_numpy(plain.copy()),
            "features": torch.from_numpy(features),
        }
        path = self.folder / self.key / f"{uuid.uuid4().hex}.safetensors"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_tensors(path, tensors, {})
        except OSError as error:  # full, or not ours: go on without
            self.writable = False
            tell_unwritable(self.folder, error.__cause__ or error)
            return
        PixelCache(self.folder).trim()


def frozen_features(
    pictures: ImageDataset,
    network: Network,
    how: Preprocessing,
    form: Runtime,
    *,
    cache: bool = True,
    report_progress: ProgressCallback | None = None,
) -> np.ndarray:
    """What the body says of each picture: [N, D] float32, in the order of the rows.

    tick(done, total) is called after each batch; it may raise to stop the work.
    """
    width, total = network.embedding_size, len(pictures)
    kept = FeatureCache(network_key(network, how, form)) if cache else None
    known = kept.load(width) if kept else {}
    features = np.empty((total, width), dtype=np.float32)
    missing = []
    for row, digest in enumerate(pictures.digests):
        found = known.get(digest.tobytes())
        if found is None:
            missing.append(row)
        else:
            features[row] = found
    done = total - len(missing)
    embed = engine(network, how, form, many=total >= MANY)
    for start in range(0, len(missing), PIECE):
        piece = np.array(missing[start : start + PIECE])
        for rows in _batches(piece):
            features[rows] = embed(pictures.batch(rows)).numpy()
            done += len(rows)
            if report_progress is not None:
                report_progress(done, total)
        if kept is not None:
            kept.add(pictures.digests[piece], features[piece])
    return features


def _batches(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))
