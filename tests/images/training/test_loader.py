"""Batches are a function of (seed, epoch, step) alone, and lose no image."""

from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.read import read_images
from vicinal.images.training import loader as loader_module
from vicinal.images.training.augment import AUGMENTATIONS
from vicinal.images.training.loader import ImageLoader

# mean 0 and spread 1: an input is its pixel / 255
PREPROCESSING = Preprocessing(
    image_size=6, store_size=6, channels=1, mean=(0.0,), std=(1.0,)
)


def make_loader(
    n: int,
    batch_size: int,
    seed: int = 0,
    augment: str = "none",
    memory: float | None = None,
) -> ImageLoader:
    """Images 0, 1, 2 ..., each evenly of its own grey, with its number as target."""
    grey = np.arange(n, dtype=np.uint8)[:, None, None]
    pixels = np.broadcast_to(grey, (n, 6, 6)).copy()
    pixels[:, 0, 0] = 255  # a corner, by which views differ
    _, images = load_dataset(read_images(pixels), ImageReader(6), memory=memory)
    return ImageLoader(
        images, np.arange(n), PREPROCESSING, AUGMENTATIONS[augment], batch_size, seed
    )


def numbers(batches: list[tuple[Tensor, Tensor]]) -> list[list[int]]:
    return [y.tolist() for _, y in batches]


def equal(a: list[tuple[Tensor, Tensor]], b: list[tuple[Tensor, Tensor]]) -> bool:
    pairs = zip(a, b, strict=True)
    return all(x.equal(u) and y.equal(v) for (x, y), (u, v) in pairs)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 60), batch_size=st.integers(2, 70), epoch=st.integers(0, 10**6))
def test_every_image_occurs_once_per_epoch_and_no_batch_has_one_image(
    n, batch_size, epoch
):
    loader = make_loader(n, batch_size)
    got = numbers(list(loader.batches(epoch)))
    assert sorted(chain.from_iterable(got)) == list(range(n))
    assert len(got) == loader.steps >= 1
    sizes = [len(batch) for batch in got]
    assert max(sizes) - min(sizes) <= 1  # equal shares
    assert min(sizes) >= min(n, 2)
    assert max(sizes) <= max(batch_size, 3)  # three rather than two and one


def test_the_number_of_batches_is_minimal():
    sizes = [make_loader(n, 8).steps for n in (1, 7, 8, 9, 16, 17)]
    assert sizes == [1, 1, 1, 2, 2, 3]


def test_an_image_comes_with_its_target():
    for x, y in make_loader(20, 6).batches(3):
        assert x.shape == (len(y), 1, 6, 6) and x.dtype == torch.float32
        torch.testing.assert_close(x[:, 0, 3, 3], y / 255)


@pytest.mark.parametrize("augment", ["none", "light"])
@pytest.mark.parametrize("memory", [None, 0])
def test_the_same_seed_gives_the_same_batches(augment, memory):
    loader = make_loader(21, 4, augment=augment, memory=memory)
    assert (loader.images.store is None) == (memory == 0)
    whole = list(loader.batches(2))
    assert equal(whole, list(loader.batches(2)))
    again = make_loader(21, 4, augment=augment)  # from memory in either case
    assert equal(whole, list(again.batches(2)))


def test_batches_are_independent_of_the_global_generator():
    loader = make_loader(12, 4, augment="light")
    torch.manual_seed(0)
    first = list(loader.batches(0))
    torch.manual_seed(1)
    torch.rand(5)
    assert equal(first, list(loader.batches(0)))
    state = torch.get_rng_state()
    list(loader.batches(1))
    assert torch.get_rng_state().equal(state)  # and take none


@pytest.mark.parametrize("memory", [None, 0])
@pytest.mark.parametrize("start", range(7))
def test_starting_at_a_step_skips_the_steps_before(start, memory):
    loader = make_loader(23, 4, augment="light", memory=memory)
    whole = list(loader.batches(5))
    assert len(whole) == 6
    assert equal(list(loader.batches(5, start)), whole[start:])


def test_each_epoch_and_seed_has_another_order():
    orders = [
        tuple(
            chain.from_iterable(numbers(list(make_loader(30, 8, seed).batches(epoch))))
        )
        for seed in (0, 1)
        for epoch in (0, 1, 2)
    ]
    assert len(set(orders)) == 6
    assert all(order != tuple(range(30)) for order in orders)


def test_an_image_is_augmented_differently_each_time():
    loader = make_loader(8, 4, augment="light")
    one = np.zeros(8, dtype=int)  # eight times the same image
    loader = replace(loader, images=loader.images.rows(one))
    views = [
        x for epoch in range(3) for batch, _ in loader.batches(epoch) for x in batch
    ]
    assert len({view.numpy().tobytes() for view in views}) == 3 * 8


def test_iteration_can_be_abandoned():
    batches = make_loader(40, 4, memory=0).batches(0)  # a thread reads ahead
    next(batches)
    del batches
    assert len(list(make_loader(40, 4, memory=0).batches(0))) == 10


def test_batches_of_two_and_an_odd_number_of_images():
    # maps of one pixel: batch norm has no variance in a batch of one image
    x = np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.uint8)
    plain: dict[str, Any] = {"epochs": 1, "deterministic": True, "cache": False}
    plain |= {"batch_size": 2, "val_fraction": 0.0, "augment": "none"}
    model = ImageClassifier(backbone="resnet18", image_size=32, **plain)
    model.fit(x, ["a", "b", "a"])
    assert np.isfinite(model.history_[0].train_loss)


# --- on an accelerator -------------------------------------------------------------


@pytest.mark.parametrize("augment", ["none", "photo"])
def test_pixels_on_the_device_give_the_same_batches(augment):
    plain = make_loader(23, 8, augment=augment)
    device_pixels = plain.to("cpu", max_bytes=23 * 36)
    assert device_pixels.device_pixels is not None
    assert len(device_pixels.device_pixels) == 23
    gone = replace(
        device_pixels.images, store=np.zeros_like(device_pixels.images.store)
    )
    device_pixels = replace(device_pixels, images=gone)  # they are looked at no more
    assert equal(list(plain.batches(3)), list(device_pixels.batches(3)))


def test_pixels_that_do_not_fit_on_the_device_are_copied_per_batch():
    plain = make_loader(23, 8)
    brought = plain.to("cpu", max_bytes=23 * 36 - 1)
    assert brought.device_pixels is None
    assert equal(list(plain.batches(0)), list(brought.batches(0)))


def test_no_pixels_are_kept_on_a_device_of_unknown_memory():
    assert make_loader(5, 8).to("cpu").device_pixels is None


def test_pixels_are_copied_to_the_device_in_chunks(monkeypatch):
    monkeypatch.setattr(loader_module, "CHUNK_SIZE", 4)
    messages: list[tuple[int, int]] = []
    loader = make_loader(10, 4)
    pixels = loader.to(
        "cpu", max_bytes=1e6, report_progress=lambda *n: messages.append(n)
    ).device_pixels
    assert messages == [(4, 10), (8, 10), (10, 10)]
    assert pixels is not None
    assert pixels[:, 1, 1, 0].tolist() == list(range(10))


def test_another_process_does_not_share_device_memory():
    device_pixels = make_loader(6, 4).to("cpu", max_bytes=1e6)
    assert device_pixels.shard(0, 2).device_pixels is device_pixels.device_pixels
    assert device_pixels.shard(1, 2).device_pixels is None
