"""Dilation: a kernel with gaps equals a larger kernel with zeros."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.ops.convolution import convolve
from vicinal.ops.dilation import pair, span

small = st.integers(1, 3)


def with_zeros_between(weight: torch.Tensor, dilation: tuple[int, int]):
    rows, columns = span(weight.shape[-2:], dilation)
    spread = weight.new_zeros(*weight.shape[:2], rows, columns)
    spread[..., :: dilation[0], :: dilation[1]] = weight
    return spread


@settings(max_examples=40, deadline=None, database=None)
@given(small, small, st.tuples(small, small))
def test_dilation_equals_a_kernel_with_zeros(kh, kw, dilation):
    x = torch.randn(2, 2, 9, 10, dtype=torch.float64)
    weight = torch.randn(3, 2, kh, kw, dtype=torch.float64)
    dilated = convolve(x, weight, dilation=dilation)
    spread = convolve(x, with_zeros_between(weight, dilation))
    torch.testing.assert_close(dilated, spread, rtol=0, atol=1e-12)


def test_span_by_hand():
    # x . x . x and x . . x
    assert span((3, 2), (2, 3)) == (5, 4)
    assert span(3) == (3, 3)


def test_pair_accepts_one_or_two_numbers():
    assert pair(3, "stride") == (3, 3)
    assert pair([1, 2], "stride") == (1, 2)
    for wrong in (0, (1, 0), (1, 2, 3), ()):
        with pytest.raises(ValueError, match=r"stride must be a whole .*stride=2"):
            pair(wrong, "stride")
    with pytest.raises(ValueError, match=r"kernel_size must be .*Got 0"):
        span(0)
