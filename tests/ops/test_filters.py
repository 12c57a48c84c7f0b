"""Filters: what each detects, and what it leaves unchanged."""

import pytest
import torch

from vicinal.ops.filters import FILTERS, apply_filter, gaussian

STEP = torch.tensor([[0.0, 0, 1, 1]] * 4)  # dark on the left, bright on the right
FLAT = torch.full((5, 6), 0.5)
EDGES = {"sobel_x", "sobel_y", "prewitt_x", "prewitt_y", "laplacian"}


def test_edges_by_hand():
    # At the step sobel_x sees 1 - 0 in three rows, counted 1, 2 and 1: 4; prewitt 3.
    assert apply_filter(STEP, "sobel_x").tolist() == [[0, 4, 4, 0]] * 4
    assert apply_filter(STEP, "prewitt_x").tolist() == [[0, 3, 3, 0]] * 4
    # The dark pixel has one bright neighbour, the bright one a dark one.
    assert apply_filter(STEP, "laplacian").tolist() == [[0, 1, -1, 0]] * 4
    assert apply_filter(STEP, "sharpen").tolist() == [[0, -1, 2, 1]] * 4
    # Three of the nine pixels around are bright, then six.
    blurred = apply_filter(STEP, "box_blur")
    torch.testing.assert_close(blurred, torch.tensor([[0.0, 3, 6, 9]] * 4) / 9)
    assert apply_filter(STEP, "gaussian_blur").tolist() == [[0, 0.25, 0.75, 1]] * 4


@pytest.mark.parametrize("name", ["sobel", "prewitt"])
def test_y_filters_are_transposed_x_filters(name):
    x, y = (FILTERS[f"{name}_{axis}"].kernel for axis in "xy")
    assert torch.equal(x.T, y)
    assert not apply_filter(STEP, f"{name}_y").any()


@pytest.mark.parametrize("name", FILTERS)
def test_a_constant_image_has_no_edges_and_keeps_its_brightness(name):
    expected = torch.zeros_like(FLAT) if name in EDGES else FLAT
    torch.testing.assert_close(apply_filter(FLAT, name), expected)
    assert FILTERS[name].meaning.endswith(".")


@pytest.mark.parametrize("name", FILTERS)
def test_channels_are_filtered_separately(name):
    x = torch.randn(2, 3, 5, 6)
    y = apply_filter(x, name)
    assert y.shape == x.shape
    torch.testing.assert_close(apply_filter(x[1], name), y[1])
    torch.testing.assert_close(apply_filter(x[1, 2], name), y[1, 2])


def test_sharpen_is_the_image_minus_its_laplacian():
    kernels = (FILTERS[name].kernel for name in ("identity", "laplacian", "sharpen"))
    identity, laplacian, sharpen = kernels
    assert torch.equal(sharpen, identity - laplacian)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_gaussian_is_a_blur(sigma):
    g = gaussian(sigma)
    torch.testing.assert_close(g.sum(), torch.tensor(1.0))
    assert torch.equal(g, g.T) and torch.equal(g, g.flip(0))


@pytest.mark.parametrize("sigma", [1.0, 2.5])  # below 1 pixels are too coarse to tell
def test_gaussian_has_the_given_size(sigma):
    # Cut off at 3 sigma, the variance along an axis falls short of sigma^2 by 3 %.
    g = gaussian(sigma)
    u = torch.arange(len(g)) - len(g) // 2
    assert (g.sum(0) * u**2).sum().item() == pytest.approx(sigma**2, rel=0.06)


def test_gaussian_by_hand():
    # exp(-1 / 2) = 0.6065 beside the middle: 1 / (1 + 2 * 0.6065) = 0.4519, squared.
    g = gaussian(1.0, size=3)
    assert g.shape == (3, 3) and gaussian(1.0).shape == (7, 7)
    assert g[1, 1].item() == pytest.approx(0.4519**2, abs=1e-4)
    assert (g[1, 0] / g[1, 1]).item() == pytest.approx(0.6065, abs=1e-4)


def test_custom_kernels_padding_and_integer_images():
    x = torch.tensor([[10, 20, 30]], dtype=torch.uint8)
    y = apply_filter(x, torch.tensor([[0.5, 0.5]]), padding="valid")
    assert y.tolist() == [[15, 25]]
    zeros = apply_filter(FLAT, "box_blur", padding_mode="zeros")
    assert zeros[0, 0].item() == pytest.approx(0.5 * 4 / 9)


def test_error_messages():
    with pytest.raises(ValueError, match=r"name must be one of .*Got 'sobel'"):
        apply_filter(FLAT, "sobel")
    with pytest.raises(ValueError, match=r"sigma must be greater than 0.*Got -1"):
        gaussian(-1)
    with pytest.raises(ValueError, match=r"size must be odd.*Got 4\. Use 5"):
        gaussian(1.0, size=4)


@pytest.mark.parametrize(("size", "wanted"), [(4, 5), (0, 1), (-3, 3), (-4, 5)])
def test_an_invalid_size_is_rejected_with_a_valid_one(size, wanted):
    with pytest.raises(ValueError, match=rf"Use {wanted}\."):
        gaussian(1.0, size)
