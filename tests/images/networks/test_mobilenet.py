"""MobileNetV2: torchvision's names, TensorFlow's padding, and real photographs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

from vicinal.errors import SettingError
from vicinal.images.networks.mobilenet import (
    MobileNetV2,
    Padding,
    SameConv2d,
    mobilenet_v2,
)

EXPECTED_SHAPES = {
    "features.0.0.weight": (32, 3, 3, 3),
    "features.0.1.running_mean": (32,),
    "features.1.conv.0.0.weight": (32, 1, 3, 3),
    "features.1.conv.1.weight": (16, 32, 1, 1),
    "features.1.conv.2.num_batches_tracked": (),
    "features.2.conv.0.0.weight": (96, 16, 1, 1),
    "features.2.conv.1.0.weight": (96, 1, 3, 3),
    "features.2.conv.2.weight": (24, 96, 1, 1),
    "features.2.conv.3.weight": (24,),
    "features.17.conv.2.weight": (320, 960, 1, 1),
    "features.18.0.weight": (1280, 320, 1, 1),
    "classifier.1.weight": (1000, 1280),
}


def test_names_and_shapes_are_those_of_torchvision(shapes):
    with torch.device("meta"):
        found = shapes(mobilenet_v2())
    assert len(found) == 314
    assert found.items() >= EXPECTED_SHAPES.items()


@pytest.mark.parametrize(("size", "around"), [(8, (0, 1, 0, 1)), (7, (1, 1, 1, 1))])
def test_tensorflow_pads_an_even_size_at_the_bottom_and_right_only(size, around):
    torch.manual_seed(0)
    conv = SameConv2d(3, 4, 3, stride=2, bias=False)
    x = torch.randn(2, 3, size, size)
    expected = F.conv2d(F.pad(x, around), conv.weight, stride=2)
    assert torch.equal(conv(x), expected)
    symmetric = F.conv2d(x, conv.weight, stride=2, padding=1)
    assert conv(x).shape == symmetric.shape
    assert torch.equal(conv(x), symmetric) == (size % 2 == 1)


def test_both_paddings_share_weights_but_differ_in_output():
    torch.manual_seed(0)
    symmetric = mobilenet_v2(3).eval()
    tensorflow = mobilenet_v2(3, padding="tensorflow").eval()
    tensorflow.load_state_dict(symmetric.state_dict())
    x = torch.randn(1, 3, 64, 64)
    first = symmetric.features[0](x), tensorflow.features[0](x)
    assert first[0].shape == first[1].shape == (1, 32, 32, 32)
    assert not torch.allclose(*first)


def test_norm_eps_reaches_every_batch_norm():
    network = mobilenet_v2(3, norm_eps=1e-3)
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 52
    assert {m.eps for m in norms} == {1e-3}


def test_an_unknown_padding_is_refused():
    wrong: Any = "same"
    with pytest.raises(SettingError, match=r"'same'.*'tensorflow'"):
        mobilenet_v2(3, padding=wrong)


def trained(shared: Path, padding: Padding = "tensorflow") -> MobileNetV2:
    network = mobilenet_v2(padding=padding).eval()
    weights = load_file(shared / "weights" / "mobilenet_v2_1.0_224.safetensors")
    network.load_state_dict(weights)
    return network


def read_photograph(file: Path) -> torch.Tensor:
    """Short side 256 pixels, the central 224: `[3, 224, 224]` from -1 to 1."""
    image = Image.open(file).convert("RGB")
    scale = 256 / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.array(image.crop((left, top, left + 224, top + 224)))
    return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1


@pytest.mark.shared
def test_the_weights_recognize_a_goldfish(shared):
    folder = shared / "data" / "images" / "imagenet_sample"
    x = read_photograph(folder / "n01443537_goldfish.jpg")[None]
    with torch.inference_mode():
        assert trained(shared)(x).argmax().item() == 1


@pytest.mark.shared
@pytest.mark.slow
def test_tensorflow_weights_need_tensorflow_padding(shared):
    files = sorted((shared / "data" / "images" / "imagenet_sample").glob("*.jpg"))
    networks = {p: trained(shared, p) for p in ("tensorflow", "symmetric")}
    right = dict.fromkeys(networks, 0)
    for start in range(0, len(files), 50):
        x = torch.stack([read_photograph(file) for file in files[start : start + 50]])
        x = x.contiguous(memory_format=torch.channels_last)
        y = torch.arange(start, start + len(x))  # file order is class order
        for padding, network in networks.items():
            with torch.inference_mode():
                right[padding] += int((network(x).argmax(1) == y).sum())
    score = {padding: count / len(files) for padding, count in right.items()}
    print(f"top-1 on {len(files)} photographs: {score}")
    assert score["tensorflow"] >= 0.85
    assert score["symmetric"] <= score["tensorflow"] - 0.05
