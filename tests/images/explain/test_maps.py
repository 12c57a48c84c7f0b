"""Maps of what counts: laws, networks built by hand, and what must not matter."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from torch import Tensor, nn

from vicinal.core.objective import Numeric, SingleLabel
from vicinal.errors import ClassError, SettingError
from vicinal.images.explain.faithfulness import (
    areas,
    blurred,
    cosines,
    faithfulness,
    ranks,
    surrogate,
    ties_of,
)
from vicinal.images.explain.gradcam import grad_cam
from vicinal.images.explain.integrated_gradients import integrated_gradients
from vicinal.images.explain.occlusion import occlusion, starts
from vicinal.images.tracing.target import Target, target_of
from vicinal.images.tracing.trace import record

SIZE, MARK = 32, (slice(20, 26), slice(4, 10))
"""pixels of the picture, and where the mark lies"""


class Marked(nn.Module):
    """Built by hand: class 1 is how bright the mark is, and nothing else.

    Two maps: one of brightness and one of darkness; only the place of the mark is seen
    by the dense layer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(2 * SIZE * SIZE, 2)
        with torch.no_grad():
            self.conv.weight[0], self.conv.weight[1] = 1 / 3, -1 / 3
            self.fc.weight.zero_()
            self.fc.bias.zero_()
            seen = torch.zeros(2, SIZE, SIZE)
            seen[0][MARK] = 1.0
            self.fc.weight[1] = seen.flatten()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.relu(self.conv(x)).flatten(1))


class Detector(nn.Module):
    """Built by hand: a convolution finds red, and red anywhere is class 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4, 2)
        with torch.no_grad():
            self.conv.weight.normal_(generator=torch.Generator().manual_seed(0))
            self.conv.weight[0] = 0
            self.conv.weight[0, 0] = 1.0  # red, less green and blue
            self.conv.weight[0, 1:] = -1.0
            self.fc.weight.zero_()
            self.fc.bias.zero_()
            self.fc.weight[1, 0] = 10.0

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.relu(self.conv(x)).mean((2, 3)))


ONE = Target("one", 1)


def marked_picture() -> Tensor:
    """Grey clutter, and a red mark."""
    x = torch.rand(1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    x = x.repeat(3, 1, 1)
    x[:, *MARK] = torch.tensor([1.0, 0, 0])[:, None, None]
    return x


def mass(found: Tensor, margin: int = 0) -> float:
    """The share of a map that lies in the mark, or so many pixels around it."""
    rows, columns = (slice(s.start - margin, s.stop + margin) for s in MARK)
    found = found.abs()
    return float(found[rows, columns].sum() / found.sum())


# --- where the mass lies -------------------------------------------------------------


def test_grad_cam_lies_where_the_answer_does():
    found = grad_cam(Detector(), marked_picture(), ONE)
    assert mass(found, margin=1) > 0.9 and float(found.min()) >= 0


def test_integrated_gradients_lie_where_the_answer_does():
    for network in (Marked(), Detector()):
        found = integrated_gradients(network, marked_picture(), ONE).sum(dim=0)
        assert mass(found, margin=1) > 0.9


def test_occlusion_lies_where_the_answer_does():
    found = occlusion(Marked(), marked_picture(), ONE, window=3, stride=1)
    assert mass(found, margin=2) > 0.9


# --- laws ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["small", "resnet20", "mobilenet_v2"])
def test_integrated_gradients_sum_to_what_the_picture_adds(case, network_of):
    network, x = network_of(case)
    target = Target("two", 2)
    found = integrated_gradients(network.eval(), x, target)
    with torch.no_grad():
        y = target(network(torch.stack([x, torch.zeros_like(x)])))
    whole = float(y[0] - y[1])
    assert float(found.sum()) == pytest.approx(whole, rel=0.0101, abs=1e-6)


def test_of_a_linear_network_each_pixel_adds_its_product():
    dense = nn.Linear(3 * 4 * 4, 2)
    network = nn.Sequential(nn.Flatten(), dense)
    x, zero = torch.randn(3, 4, 4), torch.randn(3, 4, 4)
    row = dense.weight[1].view(3, 4, 4).detach()
    found = integrated_gradients(network, x, ONE, baseline=zero, steps=3)
    torch.testing.assert_close(found, row * (x - zero), rtol=1e-4, atol=1e-5)
    covered = occlusion(network, x, ONE, window=1, stride=1)
    torch.testing.assert_close(covered, (row * x).sum(0), rtol=1e-3, atol=1e-5)


def test_covering_nothing_changes_nothing(network_of):
    network, x = network_of("small")
    found = occlusion(network, torch.zeros_like(x), ONE, window=5, stride=3)
    assert float(found.abs().max()) < 1e-5  # float32, in batches of other sizes


@pytest.mark.parametrize(
    ("size", "window", "stride"), [(10, 3, 2), (7, 7, 7), (5, 9, 4)]
)
def test_windows_cover_every_pixel(size, window, stride):
    covered = {p for s in starts(size, window, stride) for p in range(s, s + window)}
    assert set(range(size)) <= covered
    assert all(s < size for s in starts(size, window, stride))


def test_a_stride_that_leaves_pixels_out(network_of):
    network, x = network_of("small")
    for window, stride in ((2, 3), (0, 1), (3, 0)):
        with pytest.raises(ValueError, match="stride must be from 1 to window"):
            occlusion(network, x, ONE, window, stride)


def test_grad_cam_of_a_linear_end_by_hand():
    """A mean and a dense layer: a_k = w_k / (H W), so L = ReLU(sum w_k A_k) / (H W)."""
    network = Detector()
    x = marked_picture()
    maps = record(network, x).values["relu"]
    by_hand = (network.fc.weight[1][:, None, None] * maps).sum(0).relu() / SIZE**2
    found = grad_cam(network, x, ONE)
    torch.testing.assert_close(found, by_hand.detach(), rtol=1e-4, atol=1e-6)
    other = grad_cam(network, x, ONE, layer="conv")
    assert other.shape == found.shape and not other.equal(found)


def test_what_is_explained_may_be_a_difference(network_of):
    network, x = network_of("small")
    both = integrated_gradients(network, x, Target("2, not 3", 2, 3))
    apart = [integrated_gradients(network, x, Target("", k)) for k in (2, 3)]
    torch.testing.assert_close(both, apart[0] - apart[1], rtol=1e-3, atol=1e-4)


def test_networks_are_left_as_they_were(network_of):
    network, x = network_of("small")
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    grad_cam(network, x, ONE)
    integrated_gradients(network, x, ONE, steps=3)
    occlusion(network, x, ONE, window=11, stride=11)
    assert network.training and all(p.grad is None for p in network.parameters())
    assert all(v.equal(before[k]) for k, v in network.state_dict().items())


@pytest.mark.parametrize(
    ("layer", "told"),
    [("nothing", "There is no layer"), ("fc", "Grad-CAM needs maps. Name a layer")],
)
def test_layers_that_grad_cam_cannot_take(layer, told):
    with pytest.raises(SettingError, match=told):
        grad_cam(Detector(), marked_picture(), ONE, layer=layer)


def test_a_network_without_places(network_of):
    network, x = network_of("dense")
    with pytest.raises(SettingError, match="it sees all pixels in a row"):
        grad_cam(network, x, ONE)


# --- the target ----------------------------------------------------------------------

AB = SingleLabel(("ant", "bee", "cow"))
LOGITS = torch.tensor([0.0, 2.0, 1.0])


def test_targets():
    assert target_of(AB, None, None, LOGITS) == Target("bee", 1)
    assert target_of(AB, "ant", None, LOGITS) == Target("ant", 0)
    assert target_of(AB, None, "cow", LOGITS) == Target("bee, not cow", 1, 2)
    assert target_of(AB, "cow", "ant", LOGITS)(LOGITS[None]).tolist() == [1.0]
    assert target_of(Numeric(), None, None, LOGITS).row == 0


@pytest.mark.parametrize(
    ("name", "against", "told"),
    [
        ("cat", None, "the class 'cat'"),
        ("ant", "dog", "'dog'"),
        ("bee", "bee", "set ag"),
    ],
)
def test_targets_that_are_none(name, against, told):
    with pytest.raises(ClassError, match=told):
        target_of(AB, name, against, LOGITS)


# --- whether a map is true -----------------------------------------------------------


def ask_of(network: nn.Module):
    def ask(x: Tensor) -> Tensor:
        with torch.no_grad():
            return network(x)[:, 1]

    return ask


def test_areas_by_hand():
    """Four pixels of which the answer is the sum: 10, 6, 3, 1, 0 on the way down."""
    x, nothing = torch.tensor([[[4.0, 3], [2, 1]]]), torch.zeros(1, 2, 2)
    order = torch.tensor([[0, 1], [2, 3]])
    ask = lambda x: x.sum((1, 2, 3))  # noqa: E731
    # the trapezoid: (10 / 2 + 6 + 3 + 1 + 0 / 2) / 4
    ends = torch.tensor([10.0, 0])
    assert areas(ask, x, nothing, [order], 4, ends) == pytest.approx([15 / 4])
    back = areas(ask, nothing, x, [order], 4, ends)
    assert back == pytest.approx([(4 + 7 + 9 + 5) / 4])


def test_pictures_on_the_way_are_of_the_pixels_of_both():
    x, nothing = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    order, seen = torch.randperm(20).reshape(5, 4), []

    def ask(pictures: Tensor) -> Tensor:
        seen.append(pictures)
        return torch.zeros(len(pictures))

    areas(ask, x, nothing, [order], 5, torch.zeros(2))
    (pictures,) = seen
    assert pictures.dtype == torch.uint8
    for share, picture in zip((4, 8, 12, 16), pictures, strict=True):
        assert picture.equal(torch.where(order < share, nothing, x))


def test_a_true_map_beats_random_ones_and_a_false_one_does_not():
    network, x = Marked(), marked_picture()
    nothing = torch.zeros_like(x)
    true = torch.zeros(SIZE, SIZE)
    true[MARK] = 1
    found = faithfulness(ask_of(network), x, true, nothing=nothing)
    assert found.better and found.deletion < found.random_deletion
    assert found.insertion > found.random_insertion and found.p == pytest.approx(0.05)
    false = faithfulness(ask_of(network), x, -true, nothing=nothing)
    assert not false.better and false.p > 0.5


def test_random_maps_are_seldom_taken_for_true_ones():
    network, x = Marked(), marked_picture()
    rng, better = np.random.default_rng(0), 0
    smooth = blurred(torch.rand(1, SIZE, SIZE), share=0.1)[0]
    for seed in range(60):
        drawn = surrogate(smooth, rng)
        better += faithfulness(ask_of(network), x, drawn, seed=seed, steps=6).better
    assert better <= 8  # three are expected: a binomial with 0.05 has 8 in 1 of 100


def test_a_surrogate_is_as_smooth_in_the_order_of_its_pixels():
    smooth, rng = blurred(torch.rand(1, 48, 48), share=0.1)[0], np.random.default_rng(0)
    places = ranks(surrogate(smooth, rng), ties_of(smooth), rng)
    drawn = smooth.flatten().sort(descending=True).values[places]

    def roughness(m: Tensor) -> float:
        return float(m.diff(dim=0).square().mean() + m.diff(dim=1).square().mean())

    assert roughness(drawn) == pytest.approx(roughness(smooth), rel=0.5)
    shuffled = smooth.flatten()[torch.randperm(48 * 48)].reshape(48, 48)
    assert roughness(shuffled) > 5 * roughness(drawn)
    apart = np.corrcoef(drawn.flatten(), smooth.flatten())[0, 1]
    assert abs(apart) < 0.5


def test_equal_pixels_come_in_a_random_order():
    rng, flat = np.random.default_rng(0), torch.zeros(8, 8)
    order = ranks(flat, ties_of(flat), rng)
    assert sorted(order.flatten().tolist()) == list(range(64))
    assert order.flatten().tolist() != list(range(64))
    four = torch.arange(4.0).view(2, 2)
    assert ranks(four, ties_of(four), rng).tolist() == [[3, 2], [1, 0]]
    half = torch.tensor([0.0, 1, 0, 1, 0, 1, 0, 1])[None]
    dealt = torch.stack([ranks(half, ties_of(half), rng)[0] for _ in range(4000)])
    assert (dealt[:, 1::2] < 4).all() and (dealt[:, ::2] >= 4).all()
    # each of four places in a quarter of the draws: 1000 +- 27
    for pixel in range(8):
        counts = dealt[:, pixel].bincount(minlength=8)
        assert abs(counts[counts > 0] - 1000).max() < 5 * 27


def test_a_surrogate_is_that_of_the_cosine_transform():
    x = torch.rand(7, 5, dtype=torch.float64)
    down, across = cosines(7), cosines(5)
    wanted: Any = dctn(x.numpy(), norm="ortho")
    np.testing.assert_allclose(down @ x @ across.T, wanted, atol=1e-12)
    again = down.T @ (down @ x @ across.T) @ across
    np.testing.assert_allclose(again, x, atol=1e-12)
    drawn = surrogate(x, np.random.default_rng(0))
    found: Any = dctn(drawn.numpy(), norm="ortho")
    np.testing.assert_allclose(np.abs(found), np.abs(wanted), atol=1e-12)


def test_a_blur_keeps_the_mean_and_takes_the_detail():
    x = torch.rand(3, 40, 40)
    soft = blurred(x)
    assert soft.shape == x.shape
    torch.testing.assert_close(soft.mean((1, 2)), x.mean((1, 2)), rtol=0.02, atol=0)
    assert float(soft.var()) < 0.2 * float(x.var())
    flat = torch.full((1, 20, 20), 0.3)
    torch.testing.assert_close(blurred(flat), flat)
