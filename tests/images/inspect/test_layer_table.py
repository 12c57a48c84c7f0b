"""The layer table: counts by hand and as published, statistics by torch's own."""

import pytest
import torch
from torch import Tensor, nn

from vicinal.images.inspect.layer_table import layer_table
from vicinal.images.networks import build


def table(network: nn.Module, x: Tensor, parts: int = 1):
    return {row.name: row for row in layer_table(network, x.chunk(parts))}


def test_counts_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
    )
    rows = table(network, torch.randn(2, 3, 6, 6))
    conv, dense = rows["0"], rows["3"]
    assert conv.shape == (8, 6, 6) and conv.parameters == 8 * 3 * 9 + 8
    assert conv.multiply_adds == 36 * 8 * 3 * 9 and conv.field == (3, 3)
    assert dense.shape == (5,) and dense.parameters == 5 * 288 + 5
    assert dense.multiply_adds == 5 * 288 and dense.field == (6, 6)
    assert rows["1"].parameters == rows["1"].multiply_adds == 0
    assert conv.shared == pytest.approx(36 * 216 / 224)  # a bias is used as well


@pytest.mark.parametrize(
    ("name", "size", "millions"),
    [
        ("mobilenet_v2", 224, 300),  # Sandler et al., Table 4: 300M multiply-adds
        ("resnet18", 224, 1800),  # He et al., Table 1: 1.8 x 10^9
        ("resnet20", 32, 40),  # 0.041 x 10^9 (He et al. count 3n 3x3 convolutions)
        ("convnext_atto", 224, 550),  # Woo et al., Table 16: 0.55 G
    ],
)
def test_published_counts(name, size, millions):
    network = build(name, num_classes=10 if size == 32 else 1000)
    rows = layer_table(network, [torch.randn(1, 3, size, size)])
    total = sum(p.numel() for p in network.parameters())
    assert sum(row.parameters for row in rows) == total
    work = sum(row.multiply_adds for row in rows) / 1e6
    assert work == pytest.approx(millions, rel=0.05)


def test_statistics_are_those_of_all_batches_together():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 6, 3)
    network = nn.Sequential(conv, nn.ReLU())
    assert conv.bias is not None
    with torch.no_grad():
        conv.bias[2] = -100.0  # never on: dead behind the ReLU
    x = torch.randn(10, 3, 7, 7)
    rows = table(network, x, parts=3)
    with torch.no_grad():
        out, on = conv(x), network(x)
    assert rows["0"].mean == pytest.approx(float(out.mean()), rel=1e-4)
    assert rows["0"].spread == pytest.approx(float(out.std(correction=0)), rel=1e-4)
    assert rows["1"].mean == pytest.approx(float(on.mean()), rel=1e-4)
    assert rows["0"].dead == 0 and rows["1"].dead == pytest.approx(1 / 6)


def test_milliseconds_are_there_and_the_network_is_left_as_it_was(network_of):
    network, x = network_of("small")
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    rows = layer_table(network, [x[None]])
    assert all(row.ms > 0 for row in rows) and network.training
    assert all(v.equal(before[k]) for k, v in network.state_dict().items())


def test_no_picture():
    with pytest.raises(ValueError, match="one batch of pictures or more"):
        layer_table(nn.Sequential(nn.ReLU()), [])
