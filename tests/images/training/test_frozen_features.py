"""Frozen features: the network's own, computed once, whatever happens to the cache."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vicinal.core.compute.runtime import Runtime
from vicinal.errors import CacheWarning
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.data.read import read_images
from vicinal.images.inference.engines import network_hash
from vicinal.images.networks import build
from vicinal.images.networks.base import Network
from vicinal.images.training import frozen_features
from vicinal.images.training.frozen_features import extract_features

PREPROCESSING = Preprocessing(8, 8, channels=1)
RUNTIME = Runtime()


def make_dataset(n: int, seed: int = 0) -> ImageDataset:
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 8, 8)).astype(np.uint8)
    return load_dataset(read_images(pixels), ImageReader(8))[1]


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    network = build("small", num_classes=2, in_channels=1, image_size=8)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_()
    return network


@pytest.fixture
def batch_sizes(monkeypatch) -> list[int]:
    """How many images each batch sent through the network."""
    counts: list[int] = []
    plain = frozen_features.make_engine

    def counting_engine(*how: Any, many: bool) -> Any:
        embed = plain(*how, many=many)

        def count(pixels: np.ndarray) -> torch.Tensor:
            counts.append(len(pixels))
            return embed(pixels)

        return count

    monkeypatch.setattr(frozen_features, "make_engine", counting_engine)
    return counts


@torch.inference_mode()
def embed_directly(network: Network, images: ImageDataset) -> np.ndarray:
    x = to_input(images.batch(np.arange(len(images))), PREPROCESSING)
    return network.eval().embed(x).numpy()


def files(cache: Path) -> list[Path]:
    return sorted((cache / "features").rglob("*.safetensors"))


def test_features_are_the_embeddings_of_the_network(network):
    images = make_dataset(150)
    got = extract_features(images, network, PREPROCESSING, RUNTIME)
    np.testing.assert_allclose(
        got, embed_directly(network, images), rtol=1e-5, atol=1e-6
    )
    again = extract_features(images, network, PREPROCESSING, RUNTIME)  # from the cache
    assert np.array_equal(got, again)


def test_features_of_an_image_are_computed_once(network, batch_sizes):
    images = make_dataset(150)
    first = extract_features(images, network, PREPROCESSING, RUNTIME)
    assert batch_sizes == [64, 64, 22]
    order = np.random.default_rng(0).permutation(150)
    second = extract_features(images.rows(order), network, PREPROCESSING, RUNTIME)
    assert sum(batch_sizes) == 150 and np.array_equal(second, first[order])
    extract_features(make_dataset(10, seed=5), network, PREPROCESSING, RUNTIME)
    assert sum(batch_sizes) == 160
    extract_features(images, network, PREPROCESSING, RUNTIME, cache=False)
    assert sum(batch_sizes) == 310


def test_the_hash_covers_weights_preprocessing_and_dtype_but_not_the_head(network):
    key = network_hash(network, PREPROCESSING, RUNTIME)
    assert key == network_hash(network, PREPROCESSING, RUNTIME)
    others = [
        network_hash(network, Preprocessing(8, 8, channels=1, mean=(0.4,)), RUNTIME),
        network_hash(network, PREPROCESSING, Runtime(precision="bfloat16")),
    ]
    with torch.no_grad():
        network.head.weight.add_(1)  # the head has no part in them
        assert network_hash(network, PREPROCESSING, RUNTIME) == key
        next(iter(network.buffers())).add_(1)
        others.append(network_hash(network, PREPROCESSING, RUNTIME))
    assert len({key, *others}) == 4


def test_interrupted_extraction_continues_after_the_last_chunk(
    network, batch_sizes, monkeypatch
):
    monkeypatch.setattr(frozen_features, "CHUNK_SIZE", 64)
    images = make_dataset(200)

    def stop(done: int, total: int) -> None:
        if done >= 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_features(images, network, PREPROCESSING, RUNTIME, report_progress=stop)
    before, ticks = sum(batch_sizes), []
    got = extract_features(
        images,
        network,
        PREPROCESSING,
        RUNTIME,
        report_progress=lambda *messages: ticks.append(messages),
    )
    assert sum(batch_sizes) - before == 200 - 64  # the first piece was kept
    assert ticks[-1] == (200, 200)
    np.testing.assert_allclose(
        got, embed_directly(network, images), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("harm", ["cut", "noise", "other", "empty"])
def test_a_damaged_chunk_is_computed_again(network, batch_sizes, own_cache, harm):
    images = make_dataset(40)
    first = extract_features(images, network, PREPROCESSING, RUNTIME)
    (path,) = files(own_cache)
    data = path.read_bytes()
    damaged = {
        "cut": data[:-9],
        "noise": b"?" * len(data),
        "other": b"{}",
        "empty": b"",
    }
    path.write_bytes(damaged[harm])
    assert np.array_equal(
        extract_features(images, network, PREPROCESSING, RUNTIME), first
    )
    assert sum(batch_sizes) == 80
    extract_features(images, network, PREPROCESSING, RUNTIME)
    assert sum(batch_sizes) == 80  # and now it is there again


def test_two_datasets_fill_one_cache(network, own_cache):
    left, right = make_dataset(30, seed=1), make_dataset(30, seed=2)
    a = extract_features(left, network, PREPROCESSING, RUNTIME)
    b = extract_features(right, network, PREPROCESSING, RUNTIME)
    assert len(files(own_cache)) == 2
    assert np.array_equal(extract_features(left, network, PREPROCESSING, RUNTIME), a)
    assert np.array_equal(extract_features(right, network, PREPROCESSING, RUNTIME), b)


def test_an_unwritable_cache_only_warns(network, own_cache, batch_sizes):
    (own_cache / "features").write_text("a file where a folder should be")
    images = make_dataset(20)
    with pytest.warns(CacheWarning, match="features cannot be written"):
        got = extract_features(images, network, PREPROCESSING, RUNTIME)
    np.testing.assert_allclose(
        got, embed_directly(network, images), rtol=1e-5, atol=1e-6
    )


def test_a_full_disk_only_warns(network, small_disk, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(small_disk))
    (small_disk / "filler").write_bytes(b"0" * 1_000_000)
    images = make_dataset(600)
    with pytest.warns(CacheWarning, match="No space left"):
        got = extract_features(images, network, PREPROCESSING, RUNTIME)
    np.testing.assert_allclose(
        got, embed_directly(network, images), rtol=1e-5, atol=1e-6
    )
