"""Dropout by random bytes: rate, mean, independence, gradient, reproducibility."""

import pytest
import torch

from vicinal.graphs.layers.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.6, 0.9])
def test_a_fraction_p_is_dropped_and_the_mean_is_kept(p):
    torch.manual_seed(0)
    x = torch.ones(1000, 333)
    y = Dropout(p)(x)
    rate = float((y == 0).float().mean())
    assert abs(rate - p) < 1 / 512 + 0.004  # rounding to 1/256, and chance
    assert float(y.mean()) == pytest.approx(1, abs=0.01)
    assert y.unique().numel() == 2


def test_neighbouring_values_and_repeated_draws_are_independent():
    torch.manual_seed(0)
    layer, x = Dropout(0.5), torch.ones(200_000)
    a, b = layer(x) > 0, layer(x) > 0
    for one, other in ((a, b), (a[:-1], a[1:]), (a[:-8], a[8:])):
        both = (one & other).float().mean()
        assert abs(float(both) - 0.25) < 0.005


def test_the_gradient_is_the_dropout_mask():
    torch.manual_seed(0)
    x = torch.randn(50, 7, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (y / x).detach())


def test_a_seed_repeats_the_mask():
    layer, x = Dropout(0.4), torch.ones(99)
    masks = []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(layer(x))
    assert masks[0].equal(masks[1])


def test_nothing_is_dropped_in_evaluation_mode_or_with_p_0():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x and Dropout(0.0)(x) is x
