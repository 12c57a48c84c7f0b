"""Coins that are bytes are coins: their share, their independence, their slope."""

import pytest
import torch

from vicinal.graphs.layers.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.6, 0.9])
def test_a_share_is_left_out_and_the_mean_stays(p):
    torch.manual_seed(0)
    x = torch.ones(1000, 333)
    y = Dropout(p)(x)
    share = float((y == 0).float().mean())
    assert abs(share - p) < 1 / 512 + 0.004  # the nearest of 256, and chance
    assert float(y.mean()) == pytest.approx(1, abs=0.01)
    assert y.unique().numel() == 2


def test_neighbouring_coins_and_draws_do_not_know_of_each_other():
    torch.manual_seed(0)
    layer, x = Dropout(0.5), torch.ones(200_000)
    a, b = layer(x) > 0, layer(x) > 0
    for one, other in ((a, b), (a[:-1], a[1:]), (a[:-8], a[8:])):
        both = (one & other).float().mean()
        assert abs(float(both) - 0.25) < 0.005


def test_what_is_not_left_out_has_a_slope():
    torch.manual_seed(0)
    x = torch.randn(50, 7, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (y / x).detach())


def test_the_same_seed_tosses_the_same():
    layer, x = Dropout(0.4), torch.ones(99)
    drawn = []
    for _ in "ab":
        torch.manual_seed(3)
        drawn.append(layer(x))
    assert drawn[0].equal(drawn[1])


def test_nothing_is_left_out_when_it_answers_or_is_told_not_to():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x and Dropout(0.0)(x) is x
