"""ResNet: torchvision's names, both shortcuts, and real weights."""

import pytest
import torch
from safetensors.torch import load_file

from vicinal.images.networks.resnet import (
    BasicBlock,
    Bottleneck,
    ZeroPadded,
    resnet18,
    resnet20,
    resnet50,
)

EXPECTED_SHAPES_18 = {
    "conv1.weight": (64, 3, 7, 7),
    "bn1.running_var": (64,),
    "layer1.0.conv1.weight": (64, 64, 3, 3),
    "layer2.0.conv1.weight": (128, 64, 3, 3),
    "layer2.0.downsample.0.weight": (128, 64, 1, 1),
    "layer2.0.downsample.1.running_mean": (128,),
    "layer4.1.bn2.num_batches_tracked": (),
    "fc.weight": (1000, 512),
    "fc.bias": (1000,),
}
EXPECTED_SHAPES_50 = {
    "layer1.0.conv1.weight": (64, 64, 1, 1),
    "layer1.0.downsample.0.weight": (256, 64, 1, 1),
    "layer3.5.conv2.weight": (256, 256, 3, 3),
    "layer4.2.conv3.weight": (2048, 512, 1, 1),
    "layer4.2.bn3.bias": (2048,),
    "fc.weight": (1000, 2048),
}


@pytest.mark.parametrize(
    ("builder", "known", "entries"),
    [(resnet18, EXPECTED_SHAPES_18, 122), (resnet50, EXPECTED_SHAPES_50, 320)],
)
def test_names_and_shapes_are_those_of_torchvision(builder, known, entries, shapes):
    with torch.device("meta"):
        found = shapes(builder())
    assert len(found) == entries
    assert found.items() >= known.items()
    assert not any(name.startswith("layer1.0.downsample") for name in found) or (
        builder is resnet50
    )


def test_option_a_by_hand():
    x = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    # every second pixel of  1 2 3 / 4 5 6 / 7 8 9, between maps of zeros
    zeros = [[0.0, 0.0], [0.0, 0.0]]
    expected = torch.tensor([[zeros, [[1.0, 3.0], [7.0, 9.0]], zeros]])
    assert torch.equal(ZeroPadded(1, 3, stride=2)(x), expected)
    assert torch.equal(ZeroPadded(1, 2, stride=2)(x), expected[:, 1:])


def test_the_stride_of_a_bottleneck_is_in_its_3x3_convolution():
    block = Bottleneck(8, 4, 2, None)
    assert [c.stride for c in (block.conv1, block.conv2, block.conv3)] == [
        (1, 1),
        (2, 2),
        (1, 1),
    ]


@pytest.mark.parametrize(
    "block", [BasicBlock(8, 8, 1, None), Bottleneck(8, 2, 1, None)]
)
def test_a_block_starts_as_the_identity(block):
    x = torch.rand(2, 8, 5, 5)  # at least 0, so that the last ReLU keeps it
    assert torch.equal(block(x), x)


def test_a_block_adds_its_input():
    torch.manual_seed(0)
    block = BasicBlock(8, 8, 1, None).eval()
    torch.nn.init.ones_(block.bn2.weight)
    x = torch.rand(2, 8, 5, 5)
    f = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
    torch.testing.assert_close(block(x), (f + x).relu())


@pytest.mark.shared
def test_the_cifar_weights_load_strictly(shared):
    weights = load_file(shared / "weights" / "resnet20_cifar10.safetensors")
    network = resnet20().eval()
    network.load_state_dict(weights)
    with torch.inference_mode():
        logits = network(torch.zeros(1, 3, 32, 32))
    assert logits.shape == (1, 10)
    assert logits.isfinite().all()
