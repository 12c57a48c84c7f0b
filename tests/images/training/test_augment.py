"""Random augmentation: fixed maps by hand, random ones by range and distribution."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.decoding.preprocess import normalize, to_input
from vicinal.images.training import augment
from vicinal.images.training.augment import (
    AUGMENTATIONS,
    Augmentation,
    adjust_color,
    choose_augmentation,
    random_affine_maps,
)


def without_normalization(image: int, store: int, channels: int = 3) -> Preprocessing:
    """Return a preprocessing that leaves the pixels in 0..1."""
    return Preprocessing(image, store, channels, mean=(0.0,), std=(1.0,))


def augmented(raw: np.ndarray, *rest: Any) -> Tensor:
    return augment.augment_batch(torch.from_numpy(raw), *rest)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(n: int = 4, size: int = 16, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, size, size, channels)).astype(np.uint8)


def to_pixels(x: Tensor) -> np.ndarray:
    """Return the pixels [B, H, W, C] of an input that was not normalized."""
    return (x * 255).permute(0, 2, 3, 1).numpy()


def fix_affine_map(monkeypatch, theta: list[list[float]]):
    """Let every image be augmented by this affine map [2, 3]."""

    def maps(n: int, *_) -> Tensor:
        return torch.tensor(theta, dtype=torch.float32).expand(n, 2, 3)

    monkeypatch.setattr(augment, "random_affine_maps", maps)
    return Augmentation(shift=0.1)  # anything but the default


# --- deterministic ------------------------------------------------------------------


def test_normalize_matches_a_calculation_by_hand():
    x = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1)
    how = Preprocessing(1, 1, 3, mean=(0.1, 0.2, 0.3), std=(0.1, 0.4, 0.5))
    # (0.2 - 0.1) / 0.1, (0.4 - 0.2) / 0.4, (0.6 - 0.3) / 0.5
    torch.testing.assert_close(normalize(x, how).flatten(), torch.tensor([1, 0.5, 0.6]))
    one = Preprocessing(1, 1, 1, mean=(0.5,), std=(0.25,))
    assert normalize(torch.full((2, 1, 3, 3), 1.0), one).unique().tolist() == [2]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("store", "image"), [(16, 16), (16, 12), (17, 12), (16, 1)])
def test_the_input_is_the_normalized_center_crop(store, image, channels):
    how = Preprocessing(image, store, channels, mean=(0.5,), std=(0.25,))
    raw = pixels(2, store, channels)
    x = to_input(raw, how)
    margin = (store - image) // 2
    middle = raw[:, margin : margin + image, margin : margin + image] / 255
    expected = torch.tensor((middle - 0.5) / 0.25, dtype=torch.float32)
    torch.testing.assert_close(x, expected.permute(0, 3, 1, 2))
    assert (x.shape, x.dtype) == ((2, channels, image, image), torch.float32)


def test_the_input_is_channels_last_in_memory():
    for store in (16, 20):
        x = to_input(pixels(2, store), Preprocessing(16, store))
        assert x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("store", [16, 20])
def test_no_augmentation_is_the_input(store):
    how = Preprocessing(16, store, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    raw = pixels(3, store)
    assert torch.equal(
        augmented(raw, Augmentation(), how, seeded()), to_input(raw, how)
    )
    assert AUGMENTATIONS["none"] == Augmentation()


@pytest.mark.parametrize("store", [16, 20])
def test_the_identity_map_returns_the_input(store):
    how = Preprocessing(16, store)
    raw = pixels(3, store)
    nothing = Augmentation(stretch=1 + 1e-9)  # not the default, so the map is applied
    got = augmented(raw, nothing, how, seeded())
    torch.testing.assert_close(got, to_input(raw, how), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, 5), (-2, 4), (1, -1)])
def test_a_shift_translates_the_image_by_whole_pixels(monkeypatch, right, down):
    # Coordinates run from -1 to 1 over 16 pixels: a pixel is 2 / 16.
    how = fix_affine_map(monkeypatch, [[1, 0, right / 8], [0, 1, down / 8]])
    raw = pixels()
    got = to_pixels(augmented(raw, how, without_normalization(16, 16), seeded()))
    # The window moves right and down; beyond the edge the border is repeated.
    columns = (np.arange(16) + right).clip(0, 15)
    rows = (np.arange(16) + down).clip(0, 15)
    assert np.abs(got - raw[:, rows][:, :, columns]).max() < 1e-2


@pytest.mark.parametrize(
    ("theta", "expected"),
    [
        ([[-1, 0, 0], [0, 1, 0]], lambda x: x[:, :, ::-1]),
        ([[1, 0, 0], [0, -1, 0]], lambda x: x[:, ::-1]),
        ([[0, 1, 0], [1, 0, 0]], lambda x: x.transpose(0, 2, 1, 3)),
        ([[0, -1, 0], [1, 0, 0]], lambda x: np.rot90(x, 1, axes=(1, 2))),
        # the upper right quarter
        ([[0.5, 0, 0.5], [0, 0.5, -0.5]], lambda x: x[:, :8, 8:]),
    ],
)
def test_flips_rotations_and_zoom_match_numpy(monkeypatch, theta, expected):
    how = fix_affine_map(monkeypatch, theta)
    raw = pixels()
    size = expected(raw).shape[1]
    got = to_pixels(augmented(raw, how, without_normalization(size, 16), seeded()))
    assert np.abs(got - expected(raw)).max() < 1e-2


# --- random ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["light", "photo"])
def test_augmentation_depends_on_the_seed_alone(name):
    raw, how = pixels(), Preprocessing(16, 18)
    first = augmented(raw, AUGMENTATIONS[name], how, seeded(1))
    torch.rand(3)  # the global generator is not used
    again = augmented(raw, AUGMENTATIONS[name], how, seeded(1))
    other = augmented(raw, AUGMENTATIONS[name], how, seeded(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_each_image_is_augmented_differently():
    raw = np.repeat(pixels(1), 8, axis=0)
    views = augmented(raw, AUGMENTATIONS["photo"], Preprocessing(16, 16), seeded())
    assert len({view.numpy().tobytes() for view in views}) == 8


@pytest.mark.parametrize("name", ["light", "photo"])
@pytest.mark.parametrize("channels", [1, 3])
def test_augmented_images_have_the_input_size_and_stay_in_range(name, channels):
    how = without_normalization(24, 28, channels)
    x = augmented(pixels(32, 28, channels), AUGMENTATIONS[name], how, seeded())
    assert (x.shape, x.dtype) == ((32, channels, 24, 24), torch.float32)
    assert x.min() >= 0 and x.max() <= 1 + 1e-6
    assert x.std() > 0.1


def test_a_constant_image_stays_constant():
    raw = np.full((8, 16, 16, 1), 90, np.uint8)
    how = without_normalization(16, 16, 1)
    x = augmented(raw, AUGMENTATIONS["light"], how, seeded())
    assert (x - 90 / 255).abs().max() < 1e-5


def test_horizontal_flip_has_probability_one_half():
    raw = np.repeat(pixels(1), 400, axis=0)
    how = without_normalization(16, 16)
    got = to_pixels(augmented(raw, Augmentation(horizontal_flip=True), how, seeded()))
    same = np.abs(got - raw).max(axis=(1, 2, 3)) < 1e-2
    mirrored = np.abs(got - raw[:, :, ::-1]).max(axis=(1, 2, 3)) < 1e-2
    assert (same ^ mirrored).all()
    assert 150 < mirrored.sum() < 250  # five standard deviations of a fair coin


def maps(how: Augmentation, scale: float = 1.0, n: int = 4000) -> np.ndarray:
    return random_affine_maps(n, how, seeded(), scale).numpy()


def parts(theta: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the angles in degrees, and the zooms along x and y."""
    (a, b), (c, d) = theta[:, :, :2].transpose(1, 2, 0)
    return np.degrees(np.arctan2(c, a)), np.hypot(a, c), np.hypot(b, d)


def check_uniform(values: np.ndarray, low: float, high: float) -> None:
    """Check that the values are uniform in a range."""
    slack = 1e-4 + 1e-4 * abs(high)
    assert values.min() >= low - slack and values.max() <= high + slack
    width = high - low
    assert values.min() < low + 0.02 * width and values.max() > high - 0.02 * width
    assert abs(values.mean() - (low + high) / 2) < 0.03 * width


def test_rotation_angles_are_uniform():
    theta = maps(Augmentation(rotate=12))
    angle, wide, high = parts(theta)
    check_uniform(angle, -12, 12)
    assert np.allclose(wide, 1) and np.allclose(high, 1)
    assert np.allclose(np.linalg.det(theta[:, :, :2]), 1)  # a right angle stays one


@pytest.mark.parametrize("scale", [1, 0.875])
def test_zoom_is_the_visible_fraction(scale):
    angle, wide, high = parts(maps(Augmentation(zoom=(0.6, 1.0)), scale))
    assert np.allclose(wide, high) and np.allclose(angle, 0)
    check_uniform(wide, 0.6 * scale, scale)


def test_stretch_is_the_ratio_of_horizontal_and_vertical_zoom():
    angle, wide, high = parts(maps(Augmentation(stretch=4 / 3)))
    check_uniform(np.log(wide / high), -math.log(4 / 3), math.log(4 / 3))
    assert np.allclose(wide * high, 1, atol=1e-5) and np.allclose(angle, 0)


def test_shift_is_a_fraction_of_the_width():
    # Coordinates run from -1 to 1, so a fraction of the width is twice as much.
    theta = maps(Augmentation(shift=0.08))
    check_uniform(theta[:, 0, 2], -0.16, 0.16)
    check_uniform(theta[:, 1, 2], -0.16, 0.16)
    assert abs(np.corrcoef(theta[:, 0, 2], theta[:, 1, 2])[0, 1]) < 0.05


def test_shift_is_the_same_fraction_when_zoomed_in():
    theta = maps(Augmentation(shift=0.1, zoom=(0.5, 0.5)))
    check_uniform(theta[:, 0, 2], -0.2, 0.2)


def test_a_zoomed_window_stays_inside_the_image():
    theta = maps(Augmentation(shift=0.3, zoom=(0.6, 0.9)), 0.875)
    _, wide, high = parts(theta)
    for half, middle in ((wide, theta[:, 0, 2]), (high, theta[:, 1, 2])):
        assert (np.abs(middle) + half <= 1 + 1e-5).all()
        assert (np.abs(middle) > 0.8 * (1 - half)).any()


def test_only_photos_are_flipped():
    _, wide, _ = parts(maps(AUGMENTATIONS["light"]))
    assert (maps(AUGMENTATIONS["light"])[:, 0, 0] > 0.8 * wide).all()
    assert 0.45 < (maps(AUGMENTATIONS["photo"])[:, 0, 0] < 0).mean() < 0.55


# --- colour ------------------------------------------------------------------------


def test_brightness_contrast_and_saturation_match_their_formulas():
    one, other = [0.2, 0.4, 0.6, 0.0, 0.2, 0.4], [0.5, 0.5, 0.4, 0.6, 0.5, 0.5]
    x = torch.tensor([one, other]).view(2, 3, 1, 2)
    mean = torch.tensor([0.3, 0.5]).view(2, 1, 1, 1)  # of each image
    cases = {
        "b": x * 1.5,
        "c": mean + (x - mean) * 1.5,
        "s": x.mean(1, keepdim=True) + (x - x.mean(1, keepdim=True)) * 1.5,
    }
    for which, expected in cases.items():
        factors = torch.tensor([[1.5 if k == which else 1.0] * 2 for k in "bcs"])
        torch.testing.assert_close(adjust_color(x, factors), expected.clamp(0, 1))
    torch.testing.assert_close(adjust_color(x, torch.ones(3, 2)), x)


def test_color_jitter_stays_in_range_and_keeps_grey_images_grey():
    x = torch.rand(16, 1, 8, 8, generator=seeded()).expand(16, 3, 8, 8)
    y = adjust_color(x, 0.6 + 0.8 * torch.rand(3, 16, generator=seeded(1)))
    assert y.min() >= 0 and y.max() <= 1
    assert (y - y.mean(dim=1, keepdim=True)).abs().max() < 1e-5
    assert not torch.equal(x, y)


# --- the choice --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "channels", "name"),
    [(64, 3, "photo"), (63, 3, "light"), (224, 1, "light"), (28, 1, "light")],
)
def test_auto_depends_on_image_size_and_channels(size, channels, name):
    how = Preprocessing(size, size, channels)
    assert choose_augmentation("auto", how) is AUGMENTATIONS[name]
    for name in AUGMENTATIONS:
        assert choose_augmentation(name, how) is AUGMENTATIONS[name]
