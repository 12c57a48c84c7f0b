"""Convolution: equal to torch's, to results by hand, and equivariant."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.ops.convolution import convolve, convolve_by_hand, window_product

sweep = settings(max_examples=80, deadline=None, database=None)
small = st.integers(1, 3)
pairs = st.tuples(small, small)
sizes = st.integers(7, 10)  # at least 7, the span of a kernel of 3 with dilation 3
TORCH: dict[str, Any] = {
    "zeros": "zeros",
    "edge": "replicate",
    "reflect": "reflect",
    "circular": "circular",
}
modes = st.sampled_from(sorted(TORCH))

# V. Dumoulin and F. Visin 2016, figure 1.1
IMAGE = [
    [3, 3, 2, 1, 0],
    [0, 0, 1, 3, 1],
    [3, 1, 2, 2, 3],
    [2, 0, 0, 2, 2],
    [2, 0, 0, 0, 1],
]
KERNEL = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


@st.composite
def layers(draw):
    """Draw an image, weights and a bias that fit it, and the settings of a layer."""
    groups, wider, height, width = draw(st.tuples(small, small, sizes, sizes))
    x = randn(2, 2 * groups, height, width)
    weight, bias = randn(wider * groups, 2, *draw(pairs)), randn(wider * groups)
    settings = {
        "stride": draw(st.one_of(small, pairs)),
        "padding": draw(
            st.one_of(st.integers(0, 2), st.tuples(*[st.integers(0, 2)] * 2))
        ),
        "dilation": draw(st.one_of(small, pairs)),
        "groups": groups,
    }
    return (x, weight, draw(st.sampled_from([bias, None]))), settings


@sweep
@given(layers())
def test_values_and_gradients_equal_conv2d(layer):
    (x, weight, bias), settings = layer
    learned = [t.requires_grad_() for t in (x, weight, bias) if t is not None]
    ours = convolve(x, weight, bias, **settings)
    theirs = F.conv2d(x, weight, bias, **settings)
    close(ours, theirs)
    g = torch.randn_like(ours)
    gradients = (torch.autograd.grad(y, learned, g) for y in (ours, theirs))
    for a, b in zip(*gradients, strict=True):
        close(a, b)


def of_torch(weight: torch.Tensor, bias: Any, groups: int = 1, **settings: Any) -> Any:
    """Build torch's own layer around these weights."""
    (C_out, C, kh, kw), mode = weight.shape, TORCH[settings.pop("padding_mode")]
    layer: Any = torch.nn.Conv2d(
        C * groups, C_out, (kh, kw), groups=groups, padding_mode=mode, **settings
    )
    layer.weight = torch.nn.Parameter(weight)
    layer.bias = None if bias is None else torch.nn.Parameter(bias)
    return layer


@sweep
@given(layers(), modes)
def test_padding_modes_equal_the_layer(layer, mode):
    (x, weight, bias), settings = layer
    theirs = of_torch(weight, bias, **settings, padding_mode=mode)(x)
    close(convolve(x, weight, bias, **settings, padding_mode=mode), theirs)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@sweep
@given(pairs, pairs, modes)
def test_same_equals_the_layer_even_for_even_kernels(kernel, dilation, mode):
    x, weight, bias = randn(1, 2, 7, 8), randn(3, 2, *kernel), randn(3)
    same = {"padding": "same", "dilation": dilation, "padding_mode": mode}
    close(convolve(x, weight, bias, **same), of_torch(weight, bias, **same)(x))


@settings(max_examples=15, deadline=None, database=None)
@given(layers(), modes)
def test_by_hand_equals_the_vectorised_form(layer, mode):
    tensors, settings = layer
    by_hand = convolve_by_hand(*tensors, **settings, padding_mode=mode)
    close(by_hand, convolve(*tensors, **settings, padding_mode=mode))


@pytest.mark.parametrize("function", [convolve, convolve_by_hand])
def test_a_3x3_filter_on_a_5x5_image(function):
    # Top left:  3*0 + 3*1 + 2*2   +   0*2 + 0*2 + 1*0   +   3*0 + 1*1 + 2*2
    #          =       3 + 4       +         0           +         1 + 4     = 12
    # Middle:    0*0 + 1*1 + 3*2   +   1*2 + 2*2 + 2*0   +   0*0 + 0*1 + 2*2
    #          =       1 + 6       +     2 + 4           +             4     = 17
    x, kernel = torch.tensor([[IMAGE]]), torch.tensor([[KERNEL]])
    y = function(x, kernel)
    assert y[0, 0].tolist() == [[12, 12, 17], [10, 17, 19], [9, 6, 14]]


def test_one_window_by_hand():
    # 1*5 + 2*6 + 3*7 + 4*8 = 5 + 12 + 21 + 32 = 70, and 1 of bias
    window, kernel = torch.tensor([[1, 2], [3, 4]]), torch.tensor([[5, 6], [7, 8]])
    assert window_product(window, kernel) == 70
    assert window_product(window, kernel, 1.0) == 71


def test_the_kernel_is_not_flipped():
    # Looking one pixel to the right: what was there moves one to the left.
    x, kernel = torch.tensor([[[[1, 2, 3]]]]), torch.tensor([[[[0, 0, 1]]]])
    assert convolve(x, kernel, padding="same").flatten().tolist() == [2, 3, 0]


@sweep
@given(pairs, st.tuples(*[st.integers(-4, 4)] * 2))
def test_convolution_is_equivariant_to_shifts(kernel, shift):
    x, weight = randn(1, 2, 6, 7), randn(3, 2, *kernel)

    def layer(x):
        return convolve(x, weight, padding="same", padding_mode="circular")

    close(layer(x.roll(shift, (-2, -1))), layer(x).roll(shift, (-2, -1)))


@sweep
@given(pairs, st.tuples(*[st.integers(0, 3)] * 2))
def test_shift_equivariance_without_padding(kernel, shift):
    down, right = shift
    x, weight = randn(1, 2, 9, 9), randn(3, 2, *kernel)
    moved = convolve(x[..., down:, right:], weight)
    close(moved, convolve(x, weight)[..., down:, right:])


def test_groups_are_independent_convolutions():
    x, weight, bias = randn(2, 6, 5, 5), randn(9, 2, 3, 3), randn(9)
    parts = zip(x.chunk(3, 1), weight.chunk(3), bias.chunk(3), strict=True)
    apart = torch.cat([convolve(*part) for part in parts], dim=1)
    close(convolve(x, weight, bias, groups=3), apart)


def test_tensorflow_padding_halves_an_even_image():
    # Width 4, kernel 3, stride 2: one zero to the right, so 1+2+3 and 3+4+0.
    x, ones = torch.tensor([[[[1, 2, 3, 4]]]]), torch.ones(1, 1, 1, 3).long()
    y = convolve(x, ones, stride=(1, 2), padding="same_tensorflow")
    assert y.flatten().tolist() == [6, 7]


def test_an_empty_batch():
    assert convolve(randn(0, 2, 5, 5), randn(3, 2, 3, 3)).shape == (0, 3, 3, 3)


@pytest.mark.parametrize("function", [convolve, convolve_by_hand])
def test_error_messages(function):
    x = randn(1, 4, 5, 5)
    with pytest.raises(ValueError, match=r"must be \[N, C_in, H, W\].*x\[None, None\]"):
        function(x[0, 0], randn(1, 1, 3, 3))
    with pytest.raises(ValueError, match=r"Got C_in=4, groups=1 and weight \[2, 3, 3"):
        function(x, randn(2, 3, 3, 3))
    with pytest.raises(ValueError, match=r"groups must divide C_out.*groups=2"):
        function(x, randn(3, 2, 3, 3), groups=2)
    with pytest.raises(ValueError, match=r"at least 7 x 7 pixels"):
        function(x, randn(1, 4, 7, 7))


def test_a_window_of_another_shape_is_rejected():
    with pytest.raises(ValueError, match=r"\[2, 2\]\. Got \[3, 2\]"):
        window_product(randn(3, 2), randn(2, 2))
