"""Faithfulness: areas by hand, and the properties of the random controls."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from torch import Tensor

from vicinal.images.explain.faithfulness import (
    gaussian_blur,
    mean_path_scores,
    measure_faithfulness,
    pixel_ranks,
    random_surrogate,
    tie_groups,
)

SIZE = 32
MARK = (slice(20, 26), slice(4, 10))
"""rows and columns of the mark"""


def mark_brightness(x: Tensor) -> Tensor:
    """Return the brightness of the mark [N]; no other pixel matters."""
    return x.mean(dim=1).clamp(min=0)[:, *MARK].sum((1, 2))


def image_with_mark() -> Tensor:
    """Return grey noise [3, SIZE, SIZE] with a red mark."""
    x = torch.rand(1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    x = x.repeat(3, 1, 1)
    x[:, *MARK] = torch.tensor([1.0, 0, 0])[:, None, None]
    return x


# --- deletion and insertion ----------------------------------------------------------


def test_mean_scores_by_hand():
    """Four pixels; the score is their sum: 10, 6, 3, 1, 0 while they are deleted."""
    x, baseline = torch.tensor([[[4.0, 3], [2, 1]]]), torch.zeros(1, 2, 2)
    order = torch.tensor([[0, 1], [2, 3]])
    score = lambda x: x.sum((1, 2, 3))  # noqa: E731
    # trapezoidal rule: (10 / 2 + 6 + 3 + 1 + 0 / 2) / 4
    ends = torch.tensor([10.0, 0])
    deletion = mean_path_scores(score, x, baseline, [order], 4, ends)
    assert deletion == pytest.approx([15 / 4])
    insertion = mean_path_scores(score, baseline, x, [order], 4, ends)
    assert insertion == pytest.approx([(4 + 7 + 9 + 5) / 4])


def test_images_on_the_path_have_the_pixels_of_both_ends():
    x, baseline = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    order, scored = torch.randperm(20).reshape(5, 4), []

    def score(images: Tensor) -> Tensor:
        scored.append(images)
        return torch.zeros(len(images))

    mean_path_scores(score, x, baseline, [order], 5, torch.zeros(2))
    (images,) = scored
    assert images.dtype == torch.uint8
    for count, image in zip((4, 8, 12, 16), images, strict=True):
        assert image.equal(torch.where(order < count, baseline, x))


def test_a_true_map_beats_the_controls_and_its_negative_does_not():
    x = image_with_mark()
    baseline = torch.zeros_like(x)
    true_map = torch.zeros(SIZE, SIZE)
    true_map[MARK] = 1
    found = measure_faithfulness(mark_brightness, x, true_map, baseline=baseline)
    assert found.better and found.deletion < found.random_deletion
    assert found.insertion > found.random_insertion and found.p == pytest.approx(0.05)
    negative = measure_faithfulness(mark_brightness, x, -true_map, baseline=baseline)
    assert not negative.better and negative.p > 0.5


def test_random_maps_are_rarely_called_faithful():
    x = image_with_mark()
    rng, better = np.random.default_rng(0), 0
    smooth = gaussian_blur(torch.rand(1, SIZE, SIZE), fraction=0.1)[0]
    for seed in range(60):
        control = random_surrogate(smooth, rng)
        found = measure_faithfulness(mark_brightness, x, control, seed=seed, steps=6)
        better += found.better
    assert better <= 8  # 3 expected; P(more than 8) is below 1 % for a binomial


# --- random controls -----------------------------------------------------------------


def test_a_control_is_as_smooth_as_the_map():
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    smooth = gaussian_blur(torch.rand(1, 48, 48), fraction=0.1)[0]
    ranks = pixel_ranks(random_surrogate(smooth, rng), tie_groups(smooth), rng)
    control = smooth.flatten().sort(descending=True).values[ranks]

    def roughness(m: Tensor) -> float:
        return float(m.diff(dim=0).square().mean() + m.diff(dim=1).square().mean())

    assert roughness(control) == pytest.approx(roughness(smooth), rel=0.5)
    shuffled = smooth.flatten()[torch.randperm(48 * 48)].reshape(48, 48)
    assert roughness(shuffled) > 5 * roughness(control)
    assert abs(np.corrcoef(control.flatten(), smooth.flatten())[0, 1]) < 0.5


def test_a_control_keeps_the_cosine_spectrum():
    x = torch.rand(7, 5, dtype=torch.float64)
    expected: Any = dctn(x.numpy(), norm="ortho")
    control = random_surrogate(x, np.random.default_rng(0))
    spectrum: Any = dctn(control.numpy(), norm="ortho")
    assert control.shape == x.shape and not torch.allclose(control, x)
    np.testing.assert_allclose(np.abs(spectrum), np.abs(expected), atol=1e-12)


def test_equal_pixels_are_ranked_in_random_order():
    rng, flat = np.random.default_rng(0), torch.zeros(8, 8)
    order = pixel_ranks(flat, tie_groups(flat), rng)
    assert sorted(order.flatten().tolist()) == list(range(64))
    assert order.flatten().tolist() != list(range(64))
    four = torch.arange(4.0).view(2, 2)
    assert pixel_ranks(four, tie_groups(four), rng).tolist() == [[3, 2], [1, 0]]
    half = torch.tensor([0.0, 1, 0, 1, 0, 1, 0, 1])[None]
    groups = tie_groups(half)
    ranks = torch.stack([pixel_ranks(half, groups, rng)[0] for _ in range(4000)])
    assert (ranks[:, 1::2] < 4).all() and (ranks[:, ::2] >= 4).all()
    # each of four ranks in a quarter of the draws: 1000 +- 27
    for pixel in range(8):
        counts = ranks[:, pixel].bincount(minlength=8)
        assert abs(counts[counts > 0] - 1000).max() < 5 * 27


def test_blur_keeps_the_mean_and_removes_detail():
    x = torch.rand(3, 40, 40)
    soft = gaussian_blur(x)
    assert soft.shape == x.shape
    torch.testing.assert_close(soft.mean((1, 2)), x.mean((1, 2)), rtol=0.02, atol=0)
    assert float(soft.var()) < 0.2 * float(x.var())
    flat = torch.full((1, 20, 20), 0.3)
    torch.testing.assert_close(gaussian_blur(flat), flat)
