"""Batch norm folding changes the speed, not the output."""

import pytest
import torch
from torch import nn

from vicinal.core.compute.batchnorm_folding import (
    find_conv_bn_pairs,
    fold_batchnorm,
    frozen_batchnorm,
)
from vicinal.images.networks import NETWORKS, build
from vicinal.images.networks.vgg import CONFIGURATION_A, VGG

LARGE = ("resnet34", "resnet50", "convnext_tiny")


def unsettled(network: nn.Module) -> nn.Module:
    """Batch norms whose fixed numbers matter."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -1, 1)
    return network.double().eval()


def make_network(name: str, size: int) -> nn.Module:
    """Return a network of three classes; a VGG-11 of few channels, for speed."""
    if name == "vgg11":
        narrow = [[4] * len(group) for group in CONFIGURATION_A]
        return VGG(narrow, num_classes=3, in_channels=3)
    return build(name, num_classes=3, in_channels=3, image_size=size)


def norms(network: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in LARGE else ()) for n in NETWORKS],
)
def test_every_network_computes_the_same(name):
    size = max(32, NETWORKS[name].min_size)
    network = unsettled(make_network(name, size))
    x = torch.randn(3, 3, size, size, dtype=torch.float64)
    state = {k: t.clone() for k, t in network.state_dict().items()}
    with torch.no_grad():
        plain = fold_batchnorm(network, x[:1])
        torch.testing.assert_close(plain(x), network(x), rtol=1e-9, atol=1e-9)
    assert norms(plain) == 0
    assert all(torch.equal(t, state[k]) for k, t in network.state_dict().items())


def test_a_norm_without_a_preceding_convolution_is_kept():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.first, self.second = (
                nn.Conv2d(2, 2, 3),
                nn.BatchNorm2d(2),
                nn.BatchNorm2d(2),
            )
            self.alone = nn.BatchNorm2d(2)

        def forward(self, x):
            z = self.conv(self.alone(x))  # seen by two: folded into neither
            return self.first(z) + self.second(z)

    network, x = unsettled(Odd()), torch.randn(2, 2, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fold_batchnorm(network, x)(x), network(x))
    assert norms(fold_batchnorm(network, x)) == 3


def test_nothing_is_folded_if_a_convolution_is_used_elsewhere():
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)

        def forward(self, x):
            z = self.conv(x)
            return self.norm(z) + z

    network, x = unsettled(Both()), torch.randn(2, 2, 5, 5, dtype=torch.float64)
    plain = fold_batchnorm(network, x)
    with torch.no_grad():
        torch.testing.assert_close(plain(x), network(x))
    assert norms(plain) == 1
    pairs = find_conv_bn_pairs(network, x)
    assert pairs == []
    with frozen_batchnorm(network.train(), pairs), torch.no_grad():
        y = network(x)
    torch.testing.assert_close(y, network.eval()(x).detach())


def test_a_norm_after_two_convolutions_is_kept():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)
            self.norm = nn.BatchNorm2d(2)

        def forward(self, x):
            return self.norm(self.a(x)) + self.norm(self.b(x))

    network, x = unsettled(Shared()), torch.randn(2, 2, 5, 5, dtype=torch.float64)
    assert find_conv_bn_pairs(network, x) == []
    with torch.no_grad():
        torch.testing.assert_close(fold_batchnorm(network, x)(x), network(x))


def test_a_head_of_zeros_does_not_hide_errors():
    class Silent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)

        def embed(self, x):
            z = self.conv(x)
            return self.norm(z) + z

        def forward(self, x):
            return 0 * self.embed(x)

    network, x = unsettled(Silent()), torch.randn(2, 2, 5, 5, dtype=torch.float64)
    assert find_conv_bn_pairs(network, x) == []


@pytest.mark.parametrize("lacks", [{"affine": False}, {"track_running_stats": False}])
def test_a_norm_without_statistics_is_kept(lacks):
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, **lacks)).double()
    x = torch.randn(4, 2, 5, 5, dtype=torch.float64)
    assert find_conv_bn_pairs(network, x) == []
    with torch.no_grad():
        torch.testing.assert_close(fold_batchnorm(network, x)(x), network.eval()(x))


@pytest.mark.parametrize(
    "name",
    [pytest.param("mobilenet_v2", marks=pytest.mark.slow), "resnet20", "small"],
)
def test_gradients_with_frozen_norms_equal_those_of_norms_in_eval_mode(name):
    network = unsettled(build(name, num_classes=3, in_channels=3, image_size=32))
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    parameters = list(network.parameters())

    def gradients():
        loss = network(x).logsumexp(dim=1).sum()
        return loss.detach(), torch.autograd.grad(loss, parameters)

    wanted, truth = gradients()  # in eval mode the statistics are fixed as well
    pairs = find_conv_bn_pairs(network, x[:2])
    assert len(pairs) == norms(network) > 3
    network.train()
    before = {k: t.clone() for k, t in network.state_dict().items()}
    with frozen_batchnorm(network, pairs):
        found, ours = gradients()
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    for got, want in zip(ours, truth, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-7, atol=1e-9)
    after = network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)  # statistics too
    assert all(m.training for m in network.modules())
    plain = gradients()[0]
    assert abs(plain - wanted) > 1e-3  # the batch's own statistics are others


def test_a_norm_without_a_convolution_is_frozen_too():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3)).double().train()
    x = torch.randn(4, 2, 5, 5, dtype=torch.float64) + 3
    pairs = find_conv_bn_pairs(network, x)
    assert pairs == []
    assert network[0].training
    with frozen_batchnorm(network, pairs), torch.no_grad():
        y = network(x)
    torch.testing.assert_close(y, network.eval()(x))


class Doubled(nn.Conv2d):
    """A convolution with a rule of its own for its weights."""

    def forward(self, input):
        return self._conv_forward(input, 2 * self.weight, self.bias)


class Elsewhere(nn.Conv2d):
    """A convolution that does not ask the usual rule."""

    def forward(self, input):
        return nn.functional.conv2d(input, self.weight, self.bias, padding=2)


class NormAndRelu(nn.BatchNorm2d):
    """A batch norm that does more."""

    def forward(self, input):
        return super().forward(input).relu()


@pytest.mark.parametrize("conv", [nn.Conv2d, Doubled, Elsewhere])
@pytest.mark.parametrize("norm", [nn.BatchNorm2d, NormAndRelu])
def test_layers_with_their_own_forward_are_kept(conv, norm):
    network = unsettled(nn.Sequential(conv(2, 3, 3), norm(3)))
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    pairs = find_conv_bn_pairs(network, x)
    assert len(pairs) == (conv is nn.Conv2d and norm is nn.BatchNorm2d)
    wanted = network(x)
    with frozen_batchnorm(network, pairs):
        torch.testing.assert_close(network(x), wanted)
    with torch.no_grad():
        torch.testing.assert_close(fold_batchnorm(network, x)(x), wanted)
    assert not any(
        key.endswith("_forward") for m in network.modules() for key in vars(m)
    )
