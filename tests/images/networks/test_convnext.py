"""ConvNeXt: torchvision's names, and each part against a formula."""

import pytest
import torch
from torch import nn

from vicinal.images.networks.convnext import (
    Block,
    LayerNorm2d,
    Pointwise,
    StochasticDepth,
    convnext_atto,
    convnext_tiny,
)

EXPECTED_SHAPES = {
    "features.0.0.weight": (96, 3, 4, 4),
    "features.0.1.weight": (96,),
    "features.1.0.layer_scale": (96, 1, 1),
    "features.1.0.block.0.weight": (96, 1, 7, 7),
    "features.1.0.block.0.bias": (96,),
    "features.1.0.block.2.weight": (96,),
    "features.1.0.block.3.weight": (384, 96),
    "features.1.0.block.5.weight": (96, 384),
    "features.1.0.block.5.bias": (96,),
    "features.2.0.weight": (96,),
    "features.2.1.weight": (192, 96, 2, 2),
    "features.5.8.block.0.weight": (384, 1, 7, 7),
    "features.7.2.layer_scale": (768, 1, 1),
    "classifier.0.weight": (768,),
    "classifier.2.weight": (1000, 768),
}


def test_names_and_shapes_are_those_of_torchvision(shapes):
    with torch.device("meta"):
        found = shapes(convnext_tiny())
    assert len(found) == 182
    assert found.items() >= EXPECTED_SHAPES.items()


def test_atto_has_the_parameters_of_the_formula():
    # A block: 7x7 per channel and bias, LayerNorm, both dense layers, layer scale.
    def block(c: int) -> int:
        return (49 * c + c) + 2 * c + (4 * c * c + 4 * c) + (4 * c * c + c) + c

    stem = (3 * 16 * 40 + 40) + 2 * 40
    shrink = sum(2 * c + (4 * c * 2 * c + 2 * c) for c in (40, 80, 160))
    blocks = 2 * block(40) + 2 * block(80) + 6 * block(160) + 2 * block(320)
    head = 2 * 320 + 320 * 1000 + 1000
    with torch.device("meta"):
        count = sum(p.numel() for p in convnext_atto().parameters())
    assert count == stem + shrink + blocks + head == 3_695_520


def test_layer_norm_by_hand():
    torch.manual_seed(0)
    norm = LayerNorm2d(6, eps=1e-6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(2, 6, 3, 5)
    centred = x - x.mean(1, keepdim=True)
    unit = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
    expected = unit * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected)


def test_pointwise_is_a_dense_layer_at_each_pixel():
    torch.manual_seed(0)
    layer, x = Pointwise(6, 4), torch.randn(2, 6, 3, 5)
    dense = nn.functional.linear(x.permute(0, 2, 3, 1), layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), dense.permute(0, 3, 1, 2))


def test_a_block_stays_channels_last():
    x = torch.randn(2, 6, 9, 9).contiguous(memory_format=torch.channels_last)
    assert Block(6, 0.0)(x).is_contiguous(memory_format=torch.channels_last)


def test_a_block_starts_almost_as_the_identity():
    torch.manual_seed(0)
    x = torch.randn(2, 6, 9, 9)
    block = Block(6, 0.0)
    torch.testing.assert_close(block(x), x, rtol=0, atol=1e-4)
    nn.init.ones_(block.layer_scale)
    torch.testing.assert_close(block(x), x + block.block(x))


def test_stochastic_depth_keeps_the_mean():
    torch.manual_seed(0)
    layer, x = StochasticDepth(0.25), torch.ones(4000, 1, 1, 1)
    kept = layer(x)
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert kept.mean().item() == pytest.approx(1, abs=0.04)
    assert torch.equal(layer.eval()(x), x)


def test_later_blocks_are_skipped_more_often():
    with torch.device("meta"):
        network = convnext_tiny()
    rates = [m.p for m in network.modules() if isinstance(m, StochasticDepth)]
    assert rates[0] == 0
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.1)
