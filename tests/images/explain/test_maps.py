"""Attribution methods: known networks, laws, and errors."""

import pytest
import torch
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.images.explain.gradcam import grad_cam
from vicinal.images.explain.integrated_gradients import integrated_gradients
from vicinal.images.explain.occlusion import occlusion, window_starts
from vicinal.images.tracing.target import Target
from vicinal.images.tracing.trace import record

SIZE = 32
MARK = (slice(20, 26), slice(4, 10))
"""rows and columns of the mark"""

ONE = Target("one", 1)


class BrightMarkNetwork(nn.Module):
    """Class 1 is the brightness of the mark; no other pixel matters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(2 * SIZE * SIZE, 2)
        with torch.no_grad():
            self.conv.weight[0], self.conv.weight[1] = 1 / 3, -1 / 3
            self.fc.weight.zero_()
            self.fc.bias.zero_()
            mask = torch.zeros(2, SIZE, SIZE)
            mask[0][MARK] = 1.0
            self.fc.weight[1] = mask.flatten()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.relu(self.conv(x)).flatten(1))


class RedDetector(nn.Module):
    """A convolution detects red, and red anywhere is class 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4, 2)
        with torch.no_grad():
            self.conv.weight.normal_(generator=torch.Generator().manual_seed(0))
            self.conv.weight[0] = 0
            self.conv.weight[0, 0] = 1.0  # red minus green and blue
            self.conv.weight[0, 1:] = -1.0
            self.fc.weight.zero_()
            self.fc.bias.zero_()
            self.fc.weight[1, 0] = 10.0

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.relu(self.conv(x)).mean((2, 3)))


def image_with_mark() -> Tensor:
    """Return grey noise [3, SIZE, SIZE] with a red mark."""
    x = torch.rand(1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    x = x.repeat(3, 1, 1)
    x[:, *MARK] = torch.tensor([1.0, 0, 0])[:, None, None]
    return x


def fraction_in_mark(attribution: Tensor, margin: int = 0) -> float:
    """Return the fraction of a map in the mark, or within a margin around it."""
    rows, columns = (slice(s.start - margin, s.stop + margin) for s in MARK)
    attribution = attribution.abs()
    return float(attribution[rows, columns].sum() / attribution.sum())


# --- maps are where the evidence is --------------------------------------------------


def test_grad_cam_is_in_the_mark():
    cam = grad_cam(RedDetector(), image_with_mark(), ONE)
    assert fraction_in_mark(cam, margin=1) > 0.9 and float(cam.min()) >= 0


def test_integrated_gradients_are_in_the_mark():
    for network in (BrightMarkNetwork(), RedDetector()):
        attribution = integrated_gradients(network, image_with_mark(), ONE).sum(dim=0)
        assert fraction_in_mark(attribution, margin=1) > 0.9


def test_occlusion_is_in_the_mark():
    attribution = occlusion(
        BrightMarkNetwork(), image_with_mark(), ONE, window=3, stride=1
    )
    assert fraction_in_mark(attribution, margin=2) > 0.9


# --- laws ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    ["small", "resnet20", pytest.param("mobilenet_v2", marks=pytest.mark.slow)],
)
def test_integrated_gradients_are_complete(case, network_of):
    network, x = network_of(case)
    target = Target("two", 2)
    attribution = integrated_gradients(network.eval(), x, target)
    with torch.no_grad():
        y = target(network(torch.stack([x, torch.zeros_like(x)])))
    difference = float(y[0] - y[1])
    assert float(attribution.sum()) == pytest.approx(difference, rel=0.0101, abs=1e-6)


def test_attribution_of_a_linear_network_is_weight_times_input():
    dense = nn.Linear(3 * 4 * 4, 2)
    network = nn.Sequential(nn.Flatten(), dense)
    x, baseline = torch.randn(3, 4, 4), torch.randn(3, 4, 4)
    weight = dense.weight[1].view(3, 4, 4).detach()
    attribution = integrated_gradients(network, x, ONE, baseline=baseline, steps=3)
    expected = weight * (x - baseline)
    torch.testing.assert_close(attribution, expected, rtol=1e-4, atol=1e-5)
    occluded = occlusion(network, x, ONE, window=1, stride=1)
    torch.testing.assert_close(occluded, (weight * x).sum(0), rtol=1e-3, atol=1e-5)


def test_covering_zeros_with_zeros_changes_nothing(network_of):
    network, x = network_of("small")
    attribution = occlusion(network, torch.zeros_like(x), ONE, window=5, stride=3)
    assert float(attribution.abs().max()) < 1e-5  # float32, in batches of other sizes


def test_grad_cam_of_a_linear_head_by_hand():
    """A mean and a dense layer: a_k = w_k / (H W), so L = ReLU(sum w_k A_k) / (H W)."""
    network = RedDetector()
    x = image_with_mark()
    maps = record(network, x).values["relu"]
    by_hand = (network.fc.weight[1][:, None, None] * maps).sum(0).relu() / SIZE**2
    cam = grad_cam(network, x, ONE)
    torch.testing.assert_close(cam, by_hand.detach(), rtol=1e-4, atol=1e-6)
    other_layer = grad_cam(network, x, ONE, layer="conv")
    assert other_layer.shape == cam.shape and not other_layer.equal(cam)


def test_attribution_of_a_margin_is_the_difference_of_two_classes(network_of):
    network, x = network_of("small")
    margin = integrated_gradients(network, x, Target("2, not 3", 2, 3))
    first, second = (integrated_gradients(network, x, Target("", k)) for k in (2, 3))
    torch.testing.assert_close(margin, first - second, rtol=1e-3, atol=1e-4)


def test_networks_are_left_unchanged(network_of):
    network, x = network_of("small")
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    grad_cam(network, x, ONE)
    integrated_gradients(network, x, ONE, steps=3)
    occlusion(network, x, ONE, window=11, stride=11)
    assert network.training and all(p.grad is None for p in network.parameters())
    assert all(v.equal(before[k]) for k, v in network.state_dict().items())


# --- windows and errors --------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "window", "stride"), [(10, 3, 2), (7, 7, 7), (5, 9, 4)]
)
def test_windows_cover_every_pixel(size, window, stride):
    starts = window_starts(size, window, stride)
    covered = {pixel for s in starts for pixel in range(s, s + window)}
    assert set(range(size)) <= covered
    assert all(s < size for s in starts)


def test_a_stride_that_skips_pixels_is_refused(network_of):
    network, x = network_of("small")
    for window, stride in ((2, 3), (0, 1), (3, 0)):
        with pytest.raises(ValueError, match="stride must be between 1 and window"):
            occlusion(network, x, ONE, window, stride)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("nothing", "There is no layer"),
        ("fc", "needs a feature map.*Name an earlier layer, such as relu"),
    ],
)
def test_grad_cam_refuses_layers_without_feature_maps(layer, message):
    with pytest.raises(SettingError, match=message):
        grad_cam(RedDetector(), image_with_mark(), ONE, layer=layer)


def test_grad_cam_refuses_a_dense_network(network_of):
    network, x = network_of("dense")
    with pytest.raises(SettingError, match="This network has no feature maps"):
        grad_cam(network, x, ONE)
