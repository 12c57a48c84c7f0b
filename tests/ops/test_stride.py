"""Strides: windows, sizes and receptive fields, against torch and brute force."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.ops.convolution import convolve
from vicinal.ops.stride import (
    Layer,
    ReceptiveField,
    output_size,
    receptive_field,
    subsample,
    windows,
)

sweep = settings(max_examples=60, deadline=None, database=None)
small = st.integers(1, 3)
pairs = st.tuples(small, small)


def image(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


@sweep
@given(pairs, pairs, pairs, pairs)
def test_output_size_equals_torch(kernel, stride, padding, dilation):
    x, weight = image(1, 1, 9, 11), image(1, 1, *kernel)
    y = F.conv2d(x, weight, None, stride, padding, dilation)
    assert output_size((9, 11), kernel, stride, padding, dilation) == y.shape[-2:]


@sweep
@given(pairs, pairs, pairs)
def test_windows_equal_unfold(kernel, stride, dilation):
    x = image(2, 3, 8, 9)
    seen = windows(x, kernel, stride, dilation)
    columns = F.unfold(x, kernel, dilation, 0, stride)  # [N, C * kh * kw, H * W]
    theirs = columns.unflatten(1, (3, *kernel)).unflatten(-1, seen.shape[2:4])
    assert torch.equal(seen, theirs.permute(0, 1, 4, 5, 2, 3))


def test_windows_by_hand():
    # 0 1 2 3     the second window, two columns on:   2 3
    # 4 5 6 7                                          6 7
    seen = windows(torch.arange(8).reshape(2, 4), 2, stride=2)
    assert seen.shape == (1, 2, 2, 2)
    assert seen[0, 1].tolist() == [[2, 3], [6, 7]]


def test_windows_are_a_view():
    x = image(1, 1, 5, 5)
    seen = windows(x, 3, dilation=2)
    assert seen.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


@sweep
@given(pairs, pairs)
def test_a_stride_subsamples_the_dense_output(kernel, stride):
    x, weight = image(2, 2, 8, 9), image(3, 2, *kernel)
    strided = convolve(x, weight, stride=stride, padding="same")
    dense = convolve(x, weight, padding="same")
    torch.testing.assert_close(strided, subsample(dense, stride), rtol=0, atol=1e-12)


def seen_by(layers: list[Layer], output: int, size: int) -> list[int]:
    """Find by gradient which pixels reach an output: the slow and certain way."""
    x = torch.zeros(1, 1, 1, size, dtype=torch.float64, requires_grad=True)
    y = x
    for kernel_size, stride, padding, dilation in layers:
        ones = torch.ones(1, 1, 1, kernel_size, dtype=torch.float64)
        y = convolve(
            y, ones, stride=(1, stride), padding=(0, padding), dilation=(1, dilation)
        )
    (gradient,) = torch.autograd.grad(y[0, 0, 0, output], x)
    return gradient.flatten().nonzero().flatten().tolist()


layer = st.builds(Layer, small, small, st.integers(0, 2), small)


@sweep
@given(st.lists(layer, max_size=4))
def test_the_receptive_field_equals_the_nonzero_gradient(layers):
    field = receptive_field(layers)
    inside = -(-max(-field.start, 0) // field.jump)  # first output clear of the padding
    for output in (inside, inside + 1):
        pixels = field.pixels(output)
        seen = seen_by(layers, output, size=pixels.stop + field.size + field.jump)
        assert (seen[0], seen[-1]) == (pixels[0], pixels[-1])


def test_receptive_field_by_hand():
    # Two 3 x 3 layers see 5 pixels, three see 7 (Simonyan and Zisserman 2015, 2.3).
    assert receptive_field([(3, 1, 1)] * 2) == ReceptiveField(5, 1, -2)
    assert receptive_field([(3, 1, 1)] * 3).size == 7
    # ResNet's stem: 7 at stride 2, pooling 3 at stride 2: 7 + 2 * 2 = 11 pixels,
    # 4 apart, the first one at -3 - 1 * 2 = -5.
    assert receptive_field([Layer(7, 2, 3), Layer(3, 2, 1)]) == (11, 4, -5)
    assert receptive_field([]) == (1, 1, 0)
    assert receptive_field([(3, 2, 1)]).pixels(2) == range(3, 6)


def test_error_messages():
    with pytest.raises(ValueError, match=r"at least 5 x 3 pixels.*Got 4 x 6.*Add pad"):
        windows(image(1, 1, 4, 6), (3, 2), dilation=2)
    with pytest.raises(ValueError, match=r"at least 3 x 3 pixels.*Got 2 x 4"):
        output_size((0, 2), 3, padding=1)
    with pytest.raises(ValueError, match=r"stride must be a whole number"):
        subsample(image(4, 4), 0)
