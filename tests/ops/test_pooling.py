"""Pooling: equal to torch's, and to results by hand."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.ops.pooling import (
    average_pool,
    global_average_pool,
    max_pool,
    reduce_windows,
)

sweep = settings(max_examples=60, deadline=None, database=None)
small = st.integers(1, 3)
pairs = st.tuples(small, small)
strides = st.one_of(st.none(), small, pairs)

IMAGE = torch.tensor(
    [
        [3.0, 3, 2, 1, 0],
        [0, 0, 1, 3, 1],
        [3, 1, 2, 2, 3],
        [2, 0, 0, 2, 2],
        [2, 0, 0, 0, 1],
    ]
)[None, None]


def image() -> torch.Tensor:
    return torch.randn(2, 3, 8, 9, dtype=torch.float64)


def half(kernel: tuple[int, int]) -> st.SearchStrategy[tuple[int, int]]:
    """Draw a padding that torch takes: at most half of the kernel."""
    return st.tuples(*(st.integers(0, k // 2) for k in kernel))


@sweep
@given(pairs.flatmap(lambda k: st.tuples(st.just(k), half(k))), strides, pairs)
def test_max_pool_equals_torch(kernel_padding, stride, dilation):
    x, (kernel, padding) = image().requires_grad_(), kernel_padding
    ours = max_pool(x, kernel, stride, padding, dilation)
    theirs = F.max_pool2d(x, kernel, stride, padding, dilation)
    assert torch.equal(ours, theirs)
    (a,), (b,) = (torch.autograd.grad(y.sum(), x) for y in (ours, theirs))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@sweep
@given(pairs.flatmap(lambda k: st.tuples(st.just(k), half(k))), strides, st.booleans())
def test_average_pool_equals_torch(kernel_padding, stride, include):
    x, (kernel, padding) = image(), kernel_padding
    ours = average_pool(x, kernel, stride, padding, count_include_pad=include)
    theirs = F.avg_pool2d(x, kernel, stride, padding, count_include_pad=include)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_max_pool_by_hand():
    # Every window holds a 3 but one: 1 2 2 / 0 0 2 / 0 0 0, middle of the last row.
    assert max_pool(IMAGE, 3, stride=1)[0, 0].tolist() == [
        [3, 3, 3],
        [3, 3, 3],
        [3, 2, 3],
    ]


def test_average_pool_by_hand():
    # Sums of the nine windows, in ninths. Top left: 3+3+2 + 0+0+1 + 3+1+2 = 15,
    # middle: 0+1+3 + 1+2+2 + 0+0+2 = 11, bottom right: 2+2+3 + 0+2+2 + 0+0+1 = 12.
    sums = torch.tensor([[15.0, 15, 15], [9, 11, 16], [10, 7, 12]])
    torch.testing.assert_close(average_pool(IMAGE, 3, stride=1)[0, 0], sums / 9)


def test_padding_of_an_average_by_hand():
    # The corner window sees 4 and three zeros: 4/4 = 1, or the 4 alone.
    x = torch.tensor([[[[4.0]]]])
    assert average_pool(x, 2, padding=(1, 0, 1, 0)).item() == 1
    alone = average_pool(x, 2, padding=(1, 0, 1, 0), count_include_pad=False)
    assert alone.item() == 4


def test_padding_is_never_the_maximum():
    assert max_pool(-torch.ones(1, 1, 2, 2), 3, 1, "same").max() == -1


def test_pooling_equals_reduce_windows():
    x = image()
    assert torch.equal(max_pool(x, 2), reduce_windows(x, torch.amax, 2))
    assert torch.equal(average_pool(x, 2), reduce_windows(x, torch.mean, 2))
    assert torch.equal(max_pool(x, 2), -reduce_windows(-x, torch.amin, 2))


def test_the_global_average_equals_one_large_window():
    x = image()
    torch.testing.assert_close(
        global_average_pool(x), average_pool(x, (8, 9))[..., 0, 0], rtol=0, atol=1e-12
    )
    # Row by row 9 + 5 + 11 + 6 + 3 = 34, over 25 pixels.
    assert global_average_pool(IMAGE).item() == pytest.approx(34 / 25)


def test_error_messages():
    with pytest.raises(ValueError, match=r"less than the window, 2 x 2.*Got \(2, 2"):
        max_pool(IMAGE, 2, padding=2)
    with pytest.raises(ValueError, match=r"at least 6 x 6 pixels.*Got 5 x 5"):
        average_pool(IMAGE, 6)


def test_max_pooling_of_integers_with_padding():
    x = torch.tensor([[[[-5, -7], [-9, -6]]]])
    assert max_pool(x, 3, 1, padding=1).unique().tolist() == [-5]
