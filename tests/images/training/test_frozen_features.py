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
from vicinal.images.data.decode import Preprocessing
from vicinal.images.data.preprocess import to_input
from vicinal.images.data.read import read_images
from vicinal.images.inference.engines import network_key
from vicinal.images.networks import build
from vicinal.images.networks.base import Network
from vicinal.images.training import frozen_features as features
from vicinal.images.training.frozen_features import frozen_features

HOW = Preprocessing(8, 8, channels=1)
FORM = Runtime()


def pictures_of(n: int, seed: int = 0) -> ImageDataset:
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
def asked(monkeypatch) -> list[int]:
    """How many pictures each batch sent through the network."""
    counts: list[int] = []
    plain = features.engine

    def counted(*how: Any, many: bool) -> Any:
        embed = plain(*how, many=many)

        def count(pixels: np.ndarray) -> torch.Tensor:
            counts.append(len(pixels))
            return embed(pixels)

        return count

    monkeypatch.setattr(features, "engine", counted)
    return counts


@torch.inference_mode()
def by_hand(network: Network, pictures: ImageDataset) -> np.ndarray:
    x = to_input(pictures.batch(np.arange(len(pictures))), HOW)
    return network.eval().embed(x).numpy()


def files(cache: Path) -> list[Path]:
    return sorted((cache / "features").rglob("*.safetensors"))


def test_they_are_the_network_s(network):
    pictures = pictures_of(150)
    got = frozen_features(pictures, network, HOW, FORM)
    np.testing.assert_allclose(got, by_hand(network, pictures), rtol=1e-5, atol=1e-6)
    again = frozen_features(pictures, network, HOW, FORM)  # from the cache
    assert np.array_equal(got, again)


def test_a_picture_is_asked_once(network, asked):
    pictures = pictures_of(150)
    first = frozen_features(pictures, network, HOW, FORM)
    assert asked == [64, 64, 22]
    order = np.random.default_rng(0).permutation(150)
    second = frozen_features(pictures.rows(order), network, HOW, FORM)
    assert sum(asked) == 150 and np.array_equal(second, first[order])
    frozen_features(pictures_of(10, seed=5), network, HOW, FORM)
    assert sum(asked) == 160
    frozen_features(pictures, network, HOW, FORM, cache=False)
    assert sum(asked) == 310


def test_whatever_they_depend_on_is_in_their_name(network):
    key = network_key(network, HOW, FORM)
    assert key == network_key(network, HOW, FORM)
    others = [
        network_key(network, Preprocessing(8, 8, channels=1, mean=(0.4,)), FORM),
        network_key(network, HOW, Runtime(precision="bfloat16")),
    ]
    with torch.no_grad():
        network.head.weight.add_(1)  # the head has no part in them
        assert network_key(network, HOW, FORM) == key
        next(iter(network.buffers())).add_(1)
        others.append(network_key(network, HOW, FORM))
    assert len({key, *others}) == 4


def test_work_that_was_cut_short_goes_on(network, asked, monkeypatch):
    monkeypatch.setattr(features, "PIECE", 64)
    pictures = pictures_of(200)

    def stop(done: int, total: int) -> None:
        if done >= 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frozen_features(pictures, network, HOW, FORM, report_progress=stop)
    before, ticks = sum(asked), []
    got = frozen_features(
        pictures, network, HOW, FORM, report_progress=lambda *told: ticks.append(told)
    )
    assert sum(asked) - before == 200 - 64  # the first piece was kept
    assert ticks[-1] == (200, 200)
    np.testing.assert_allclose(got, by_hand(network, pictures), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("harm", ["cut", "noise", "other", "empty"])
def test_a_damaged_piece_is_computed_again(network, asked, own_cache, harm):
    pictures = pictures_of(40)
    first = frozen_features(pictures, network, HOW, FORM)
    (path,) = files(own_cache)
    data = path.read_bytes()
    damaged = {
        "cut": data[:-9],
        "noise": b"?" * len(data),
        "other": b"{}",
        "empty": b"",
    }
    path.write_bytes(damaged[harm])
    assert np.array_equal(frozen_features(pictures, network, HOW, FORM), first)
    assert sum(asked) == 80
    frozen_features(pictures, network, HOW, FORM)
    assert sum(asked) == 80  # and now it is there again


def test_two_that_fill_one_cache_do_not_meet(network, own_cache):
    left, right = pictures_of(30, seed=1), pictures_of(30, seed=2)
    a = frozen_features(left, network, HOW, FORM)
    b = frozen_features(right, network, HOW, FORM)
    assert len(files(own_cache)) == 2
    assert np.array_equal(frozen_features(left, network, HOW, FORM), a)
    assert np.array_equal(frozen_features(right, network, HOW, FORM), b)


def test_a_cache_that_cannot_be_written_costs_only_time(network, own_cache, asked):
    (own_cache / "features").write_text("a file where a folder should be")
    pictures = pictures_of(20)
    with pytest.warns(CacheWarning, match="features cannot be written"):
        got = frozen_features(pictures, network, HOW, FORM)
    np.testing.assert_allclose(got, by_hand(network, pictures), rtol=1e-5, atol=1e-6)


def test_a_full_disk_costs_only_time(network, small_disk, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(small_disk))
    (small_disk / "filler").write_bytes(b"0" * 1_000_000)
    pictures = pictures_of(600)
    with pytest.warns(CacheWarning, match="No space left"):
        got = frozen_features(pictures, network, HOW, FORM)
    np.testing.assert_allclose(got, by_hand(network, pictures), rtol=1e-5, atol=1e-6)
