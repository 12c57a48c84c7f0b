"""Depthwise convolution: equal to torch's, with gradients, in every dtype."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.ops.convolution import convolve
from vicinal.ops.depthwise import depthwise

sizes, few = st.integers(5, 11), st.integers(1, 3)


def drawn(channels: int, height: int, width: int, kernel: int, dtype=torch.float32):
    x = torch.randn(2, channels, height, width, dtype=dtype).requires_grad_()
    return x, torch.randn(channels, 1, kernel, kernel, dtype=dtype).requires_grad_()


def with_gradients(y, x, weight):
    return y.detach(), *torch.autograd.grad(y.float().square().sum(), (x, weight))


@given(sizes, sizes, few, few, st.sampled_from([1, 3, 5]), st.integers(0, 2))
@settings(max_examples=60, deadline=None, database=None)
def test_output_equals_torch(h, w, channels, stride, k, p):
    x, weight = drawn(channels, h, w, k, torch.float64)
    how = (stride, stride), (p, p)
    wanted = F.conv2d(x, weight, None, *how, 1, channels)
    ours = depthwise(x, weight, None, *how)
    for got, want in zip(
        with_gradients(ours, x, weight), with_gradients(wanted, x, weight), strict=True
    ):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        convolve(x, weight, stride=stride, padding=p, groups=channels), ours
    )


@pytest.mark.parametrize(("stride", "padding"), [(2, 1), (2, 0), (3, 1), (1, 1)])
def test_bfloat16_gradients_equal_float32_up_to_rounding(stride, padding):
    torch.manual_seed(0)
    x, weight = drawn(6, 15, 12, 3)
    how = (stride, stride), (padding, padding)
    wanted = with_gradients(F.conv2d(x, weight, None, *how, 1, 6), x, weight)
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise(x, weight, None, *how)
    assert y.dtype == torch.bfloat16
    for got, want in zip(with_gradients(y, x, weight), wanted, strict=True):
        assert (got - want).norm() < 0.02 * want.norm()


def test_the_input_gradient_is_more_accurate_than_torch():
    """It is rounded once, from float32, and torch's comes of products in bfloat16."""
    torch.manual_seed(1)
    x, weight = (t.detach().bfloat16() for t in drawn(8, 16, 16, 3))
    grad = torch.randn(2, 8, 8, 8).bfloat16()
    how = (2, 2), (1, 1)

    def of_x(run, dtype):
        own = x.to(dtype).requires_grad_()
        (found,) = torch.autograd.grad(run(own, weight.to(dtype)), own, grad.to(dtype))
        return found.double()

    plain = lambda x, w: F.conv2d(x, w, None, *how, 1, 8)  # noqa: E731
    truth = of_x(plain, torch.float64)
    ours = of_x(lambda x, w: depthwise(x, w, None, *how), torch.bfloat16)
    theirs = of_x(plain, torch.bfloat16)
    assert (ours - truth).norm() <= (theirs - truth).norm() * 1.001
    assert (ours - truth).norm() < 0.004 * truth.norm()  # bfloat16 has 8 bits


def test_the_memory_format_is_kept():
    x, weight = drawn(8, 14, 14, 3)
    x = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise(x, weight, None, (2, 2), (1, 1))
    y.sum().backward()
    last = torch.channels_last
    assert x.grad is not None and y.is_contiguous(memory_format=last)
    assert x.grad.is_contiguous(memory_format=last)


def test_output_without_gradients_is_bitwise_equal_to_torch():
    x, weight = (t.detach() for t in drawn(8, 14, 14, 3))
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        ours = depthwise(x, weight, None, (2, 2), (1, 1))
        assert torch.equal(ours, F.conv2d(x, weight, None, 2, 1, 1, 8))


def test_frozen_weights_get_no_gradient():
    x, weight = drawn(4, 8, 8, 3)
    weight.requires_grad = False
    with torch.autocast("cpu", torch.bfloat16):
        depthwise(x, weight, None, (2, 2), (1, 1)).sum().backward()
    assert weight.grad is None and x.grad is not None


def test_the_bias_and_its_gradient():
    torch.manual_seed(2)
    x, weight = drawn(5, 9, 9, 3)
    bias = torch.randn(5).requires_grad_()
    how = (2, 2), (1, 1)
    wanted = F.conv2d(x, weight, bias, *how, 1, 5)
    (truth,) = torch.autograd.grad(wanted.square().sum(), bias)
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise(x, weight, bias, *how)
    (found,) = torch.autograd.grad(y.float().square().sum(), bias)
    assert (y - wanted).norm() < 0.02 * wanted.norm()
    assert (found - truth).norm() < 0.02 * truth.norm()
