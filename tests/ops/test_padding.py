"""Padding: against torch, by hand, and its laws."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.ops.padding import RULES, SOURCES, Amounts, amounts, pad
from vicinal.ops.stride import output_size

sweep = settings(max_examples=80, deadline=None, database=None)
small = st.integers(1, 5)
sides = st.tuples(*[st.integers(0, 3)] * 4)
TORCH = {
    "zeros": "constant",
    "edge": "replicate",
    "replicate": "replicate",
    "reflect": "reflect",
    "circular": "circular",
}


def image(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


@sweep
@given(sides, st.sampled_from(sorted(TORCH)))
def test_every_mode_equals_torch(side, mode):
    x = image(2, 3, 4, 5).requires_grad_()
    top, bottom, left, right = side
    ours = pad(x, side, mode)
    theirs = F.pad(x, (left, right, top, bottom), mode=TORCH[mode])
    assert torch.equal(ours, theirs)
    g = torch.randn_like(ours)
    (ours_grad,) = torch.autograd.grad(ours, x, g)
    (theirs_grad,) = torch.autograd.grad(theirs, x, g)
    torch.testing.assert_close(ours_grad, theirs_grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("mode", "row"),
    [
        ("zeros", [0, 0, 1, 2, 3, 4, 0, 0]),
        ("edge", [1, 1, 1, 2, 3, 4, 4, 4]),
        ("reflect", [3, 2, 1, 2, 3, 4, 3, 2]),
        ("circular", [3, 4, 1, 2, 3, 4, 1, 2]),
    ],
)
def test_each_mode_by_hand(mode, row):
    # The image in the docstring of pad, with a b c d = 1 2 3 4; whole numbers stay.
    x = torch.tensor([[1, 2, 3, 4]])
    assert pad(x, (0, 0, 2, 2), mode).tolist() == [row]


def test_fill_and_order_of_the_sides():
    # One row above, two columns to the right, of the value 7.
    y = pad(torch.tensor([[1]]), (1, 0, 0, 2), fill=7)
    assert y.tolist() == [[7, 7, 7], [1, 7, 7]]


@pytest.mark.parametrize("mode", ["zeros", *SOURCES])
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (2, 1, 3, 4, 5)])
def test_padding_with_any_number_of_leading_axes(mode, shape):
    x = image(*shape)
    y = pad(x, (1, 2, 3, 0), mode)
    assert y.shape == (*shape[:-2], 7, 8)
    assert torch.equal(y[..., 1:-2, 3:], x)


def test_zero_padding_amounts_do_not_copy():
    x = image(4, 5)
    assert pad(x, (0, 0, 0, 0), "reflect") is x


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("valid", (0, 0, 0, 0)),
        (2, (2, 2, 2, 2)),
        ((1, 2), (1, 1, 2, 2)),
        ((1, 2, 3, 4), (1, 2, 3, 4)),
        # kernel 3 x 4: the even side has no middle, its extra pixel goes right
        ("same", (1, 1, 1, 2)),
        ("full", (2, 2, 3, 3)),
    ],
)
def test_amounts_by_hand(padding, expected):
    assert amounts(padding, (3, 4)) == Amounts(*expected)


@pytest.mark.parametrize(
    ("size", "stride", "expected"),
    [
        # MobileNetV2's first layer, 224 pixels: 112 outputs span 111 * 2 + 3 = 225,
        # one pixel more than there is, and it goes to the bottom and the right.
        (224, 2, (0, 1)),
        # 7 pixels: 4 outputs span 3 * 2 + 3 = 9, two more, one on each side.
        (7, 2, (1, 1)),
        # At stride 1 it is the ordinary same.
        (7, 1, (1, 1)),
        # Stride beyond the kernel: 2 outputs span 1 * 5 + 3 = 8 of 10, none needed.
        (10, 5, (0, 0)),
    ],
)
def test_same_tensorflow_by_hand(size, stride, expected):
    side = amounts("same_tensorflow", 3, stride=stride, size=(size, size))
    assert side == (*expected, *expected)


@sweep
@given(st.integers(1, 30), small, small, small)
def test_same_tensorflow_gives_the_ceiling_of_size_over_stride(
    size, kernel, stride, dilation
):
    got, _ = output_size((size, size), kernel, stride, "same_tensorflow", dilation)
    assert got == -(-size // stride)


@sweep
@given(st.integers(1, 30), small, small, small)
def test_same_tensorflow_pads_no_more_than_needed(size, kernel, stride, dilation):
    before, after, *_ = amounts(
        "same_tensorflow", kernel, stride=stride, dilation=dilation, size=(size, size)
    )
    span, outputs = (kernel - 1) * dilation + 1, -(-size // stride)
    assert after - before in (0, 1)
    if before + after:  # the last window ends exactly where the padding ends
        assert (outputs - 1) * stride + span == size + before + after


@sweep
@given(st.integers(1, 30), small, small)
def test_same_keeps_the_size(size, kernel, dilation):
    kept = output_size((size, size), kernel, 1, "same", dilation)
    assert kept == (size, size)


@sweep
@given(st.integers(1, 30), small, small)
def test_full_padding_includes_every_overlap(size, kernel, dilation):
    span = (kernel - 1) * dilation + 1
    got, _ = output_size((size, size), kernel, 1, "full", dilation)
    assert got == size + span - 1


def test_same_tensorflow_exports_for_any_size():
    class Padded(torch.nn.Module):
        def forward(self, x):
            side = amounts("same_tensorflow", 3, stride=2, size=x.shape[-2:])
            return pad(x, side)

    size = torch.export.Dim("size", min=8, max=512)
    exported = torch.export.export(
        Padded(), (image(1, 3, 32, 32),), dynamic_shapes=({2: size, 3: size},)
    ).module()
    for n in (9, 32, 224):
        x = image(1, 3, n, n)
        assert torch.equal(exported(x), Padded()(x))


def test_error_messages():
    x = image(4, 5)
    with pytest.raises(ValueError, match=r"padding must be one of .*Got 'semi'"):
        amounts("semi", 3)
    with pytest.raises(ValueError, match=r"'same_tensorflow' needs size.*x\.shape"):
        amounts("same_tensorflow", 3)
    for wrong in (-1, (1, 2, 3), (0, -1), ()):
        with pytest.raises(ValueError, match=r"padding must be a name, or 1, 2 or 4"):
            amounts(wrong, 3)
    with pytest.raises(ValueError, match=r"mode must be one of 'zeros', 'edge'"):
        pad(x, (0, 0, 0, 0), "mirror")
    with pytest.raises(ValueError, match=r"'reflect' must be at most 3 on a side of 4"):
        pad(x, (4, 0, 0, 0), "reflect")
    with pytest.raises(ValueError, match=r"'circular' must be at most 5.*Got 6"):
        pad(x, (0, 0, 0, 6), "circular")


def test_every_padding_name_is_tested():
    assert set(RULES) == {"valid", "same", "full", "same_tensorflow"}
    assert set(SOURCES) == {"edge", "replicate", "reflect", "circular"}
