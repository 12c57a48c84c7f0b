"""The layer table: counts by hand and as published, statistics as torch computes."""

import pytest
import torch
from torch import Tensor, nn

from vicinal.images.inspect.layer_table import LayerRow, layer_table
from vicinal.images.networks import build


def rows_by_name(
    network: nn.Module, x: Tensor, batches: int = 1
) -> dict[str, LayerRow]:
    return {row.name: row for row in layer_table(network, x.chunk(batches))}


def test_counts_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
    )
    rows = rows_by_name(network, torch.randn(2, 3, 6, 6))
    conv, dense = rows["0"], rows["3"]
    assert conv.shape == (8, 6, 6) and conv.parameters == 8 * 3 * 9 + 8
    assert conv.multiply_adds == 36 * 8 * 3 * 9 and conv.receptive_field == (3, 3)
    assert dense.shape == (5,) and dense.parameters == 5 * 288 + 5
    assert dense.multiply_adds == 5 * 288 and dense.receptive_field == (6, 6)
    assert rows["1"].parameters == rows["1"].multiply_adds == 0
    assert conv.weight_reuse == pytest.approx(36 * 216 / 224)  # biases are parameters


@pytest.mark.parametrize(
    ("name", "size", "millions"),
    [
        ("mobilenet_v2", 224, 300),  # Sandler et al., Table 4: 300M multiply-adds
        pytest.param(  # He et al., Table 1: 1.8 x 10^9
            *("resnet18", 224, 1800), marks=pytest.mark.slow
        ),
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


def test_statistics_are_over_all_batches():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 6, 3)
    network = nn.Sequential(conv, nn.ReLU())
    assert conv.bias is not None
    with torch.no_grad():
        conv.bias[2] = -100.0  # dead after the ReLU
    x = torch.randn(10, 3, 7, 7)
    rows = rows_by_name(network, x, batches=3)
    with torch.no_grad():
        before, after = conv(x), network(x)
    assert rows["0"].mean == pytest.approx(float(before.mean()), rel=1e-4)
    assert rows["0"].std == pytest.approx(float(before.std(correction=0)), rel=1e-4)
    assert rows["1"].mean == pytest.approx(float(after.mean()), rel=1e-4)
    assert rows["0"].dead == 0 and rows["1"].dead == pytest.approx(1 / 6)


def test_time_is_measured_and_the_network_left_unchanged(network_of):
    network, x = network_of("small")
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    rows = layer_table(network, [x[None]])
    assert all(row.ms > 0 for row in rows) and network.training
    assert all(v.equal(before[k]) for k, v in network.state_dict().items())


def test_no_batch_is_refused():
    with pytest.raises(ValueError, match="at least one batch of images"):
        layer_table(nn.Sequential(nn.ReLU()), [])
