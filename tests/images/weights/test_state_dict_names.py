"""Other libraries' names: timm's are written out here a second time, backwards.

The conversion was compared with timm 1.0.31 and torchvision 0.28 themselves, with
random weights and lively statistics: all logits of the networks here are equal to
the last bit, but for ConvNeXt-tiny's, which differ by 7e-7 of 2.
"""

import pytest
import torch
from torch import Tensor

from vicinal.core.storage.checkpoint import Tensors
from vicinal.images.networks import NETWORKS, build
from vicinal.images.weights.state_dict_names import (
    Mismatch,
    convert_names,
    count_classes,
    count_input_channels,
    find_mismatches,
    format_mismatches,
    identify_backbone,
    meta_network,
)

# timm's blocks of MobileNetV2, in order: i.j of the first is features.1
MOBILE = "0.0 1.0 1.1 2.0 2.1 2.2 3.0 3.1 3.2 3.3 4.0 4.1 4.2 5.0 5.1 5.2 6.0".split()
MOBILE_ENDS = {
    "features.0.0": "conv_stem",
    "features.0.1": "bn1",
    "features.18.0": "conv_head",
    "features.18.1": "bn2",
    "classifier.1": "classifier",
}
MOBILE_FIRST = {"0.0": "conv_dw", "0.1": "bn1", "1": "conv_pw", "2": "bn2"}
MOBILE_LATER = {
    "0.0": "conv_pw",
    "0.1": "bn1",
    "1.0": "conv_dw",
    "1.1": "bn2",
    "2": "conv_pwl",
    "3": "bn3",
}
CONVNEXT_ENDS = {
    "features.0.0": "stem.0",
    "features.0.1": "stem.1",
    "classifier.0": "head.norm",
    "classifier.2": "head.fc",
}
CONVNEXT_PLACES = {
    "1": "stages.0.blocks",
    "2": "stages.1.downsample",
    "3": "stages.1.blocks",
    "4": "stages.2.downsample",
    "5": "stages.2.blocks",
    "6": "stages.3.downsample",
    "7": "stages.3.blocks",
}
CONVNEXT_PARTS = {
    "block.0.": "conv_dw.",
    "block.2.": "norm.",
    "block.3.": "mlp.fc1.",
    "block.5.": "mlp.fc2.",
    "layer_scale": "gamma",
}


def timm_mobilenet(name: str) -> str:
    layer, _, leaf = name.rpartition(".")
    if layer in MOBILE_ENDS:
        return f"{MOBILE_ENDS[layer]}.{leaf}"
    _, number, _, inside = layer.split(".", 3)
    parts = MOBILE_FIRST if number == "1" else MOBILE_LATER
    return f"blocks.{MOBILE[int(number) - 1]}.{parts[inside]}.{leaf}"


def timm_convnext(name: str) -> str:
    layer, _, leaf = name.rpartition(".")
    if layer in CONVNEXT_ENDS:
        return f"{CONVNEXT_ENDS[layer]}.{leaf}"
    _, place, inside = name.split(".", 2)
    for ours, theirs in CONVNEXT_PARTS.items():
        inside = inside.replace(ours, theirs)
    return f"{CONVNEXT_PLACES[place]}.{inside}"


def timm_shape(name: str, t: Tensor, convolutions: bool) -> Tensor:
    """A layer scale is [C] there, and small ConvNeXts have convolutions for layers."""
    if name.endswith("gamma"):
        return t.flatten()
    return t[..., None, None] if convolutions and ".fc" in name and t.ndim == 2 else t


def filled(backbone: str) -> Tensors:
    """A network's tensors, no two of them alike."""
    generator = torch.Generator().manual_seed(0)
    shapes = {name: t.shape for name, t in meta_network(backbone).state_dict().items()}
    return {
        name: torch.tensor(0)
        if name.endswith("num_batches_tracked")
        else torch.randn(shape, generator=generator)
        for name, shape in shapes.items()
    }


def as_timm(backbone: str) -> tuple[Tensors, Tensors]:
    """A network's tensors, with our names and with timm's."""
    ours = filled(backbone)
    rename = timm_mobilenet if backbone == "mobilenet_v2" else timm_convnext
    theirs = {rename(name): t for name, t in ours.items()}
    atto = backbone == "convnext_atto"
    return ours, {k: timm_shape(k, t, atto and "mlp" in k) for k, t in theirs.items()}


def same(got: Tensors, expected: Tensors) -> bool:
    equal = got.keys() == expected.keys()
    return equal and all(t.equal(expected[name]) for name, t in got.items())


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "convnext_atto", "convnext_tiny"])
def test_timm_names_and_shapes_become_ours(backbone):
    ours, theirs = as_timm(backbone)
    assert len(theirs.keys() - ours.keys()) == len(theirs) == len(ours)
    assert identify_backbone(theirs) == backbone
    assert same(convert_names(theirs, backbone), ours)


@pytest.mark.parametrize(
    ("backbone", "theirs", "ours", "shape"),
    [  # from the state dicts of timm 1.0.31
        ("mobilenet_v2", "conv_stem.weight", "features.0.0.weight", (32, 3, 3, 3)),
        ("mobilenet_v2", "bn1.running_var", "features.0.1.running_var", (32,)),
        (
            "mobilenet_v2",
            "blocks.0.0.conv_pw.weight",
            "features.1.conv.1.weight",
            (16, 32, 1, 1),
        ),
        (
            "mobilenet_v2",
            "blocks.1.1.conv_dw.weight",
            "features.3.conv.1.0.weight",
            (144, 1, 3, 3),
        ),
        ("mobilenet_v2", "blocks.6.0.bn3.bias", "features.17.conv.3.bias", (320,)),
        ("mobilenet_v2", "classifier.weight", "classifier.1.weight", (1000, 1280)),
        ("convnext_tiny", "stem.1.bias", "features.0.1.bias", (96,)),
        (
            "convnext_tiny",
            "stages.0.blocks.2.mlp.fc1.weight",
            "features.1.2.block.3.weight",
            (384, 96),
        ),
        (
            "convnext_atto",
            "stages.1.downsample.1.weight",
            "features.2.1.weight",
            (80, 40, 2, 2),
        ),
        (
            "convnext_atto",
            "stages.3.blocks.1.norm.weight",
            "features.7.1.block.2.weight",
            (320,),
        ),
        ("convnext_atto", "head.fc.bias", "classifier.2.bias", (1000,)),
    ],
)
def test_names_copied_from_timm(backbone, theirs, ours, shape):
    got = convert_names({theirs: torch.ones(shape)}, backbone)
    assert got[ours].shape == shape == meta_network(backbone).state_dict()[ours].shape


@pytest.mark.parametrize("backbone", NETWORKS)
def test_our_own_names_are_unchanged_and_identified(backbone):
    ours = dict(meta_network(backbone).state_dict())
    assert identify_backbone(ours) == backbone
    assert convert_names(ours, backbone).keys() == ours.keys()
    assert find_mismatches(ours, backbone) == []
    assert count_classes(ours, backbone) == NETWORKS[backbone].num_classes


@pytest.mark.parametrize(
    "wrapper", ["module.", "model.", "_orig_mod.", "module.model."]
)
def test_wrapper_prefixes_are_removed(wrapper):
    ours, theirs = as_timm("mobilenet_v2")
    wrapped = {wrapper + name: t for name, t in theirs.items()}
    assert identify_backbone(wrapped) == "mobilenet_v2"
    assert same(convert_names(wrapped, "mobilenet_v2"), ours)


def test_missing_batch_counters_are_zero():
    ours = filled("resnet20")
    short = {k: t for k, t in ours.items() if not k.endswith("num_batches_tracked")}
    assert len(short) == 97
    assert same(convert_names(short, "resnet20"), ours)
    build("resnet20", num_classes=10).load_state_dict(convert_names(short, "resnet20"))


def test_other_classes_and_grey_images_are_identified():
    grey = dict(build("resnet20", num_classes=3, in_channels=1).state_dict())
    assert identify_backbone(grey) == "resnet20"
    assert (
        count_input_channels(grey, "resnet20"),
        count_classes(grey, "resnet20"),
    ) == (1, 3)
    body = {k: t for k, t in grey.items() if not k.startswith("linear.")}
    assert (
        identify_backbone(body) == "resnet20"
        and count_classes(body, "resnet20") is None
    )
    assert count_input_channels(filled("dense"), "dense") == 1


def test_unknown_networks_are_not_identified():
    ours = filled("resnet20")
    one_more = ours | {"layer3.3.conv1.weight": torch.ones(64, 64, 3, 3)}  # ResNet-26
    wider = {k: torch.cat([t, t]) if t.ndim else t for k, t in ours.items()}
    for strange in ({}, {"weight": torch.ones(2)}, one_more, wider):
        assert identify_backbone(strange) is None


def test_a_larger_network_is_not_identified_as_a_smaller_one():
    larger = dict(meta_network("resnet34").state_dict())
    assert identify_backbone(larger) == "resnet34"
    left = {row.name for row in find_mismatches(larger, "resnet18")}
    assert left and left <= larger.keys() - meta_network("resnet18").state_dict().keys()


def test_tensors_of_another_layout_are_not_reshaped():
    ours = filled("resnet20") | {"conv1.weight": torch.ones(3, 16, 3, 3)}
    got = convert_names(ours, "resnet20")
    assert got["conv1.weight"].shape == (3, 16, 3, 3)
    assert Mismatch("layer1.0.bn1.bias", (16,), None) not in find_mismatches(
        got, "resnet20"
    )
    assert find_mismatches(got, "resnet20")[0].name == "conv1.weight"


def test_mismatches_are_formatted_as_a_table():
    got = filled("resnet20")
    del got["layer1.0.bn1.bias"]
    got |= {"bn1.weight": torch.ones(8), "extra": torch.tensor(1)}
    found = find_mismatches(got, "resnet20")
    assert found == [
        Mismatch("bn1.weight", (16,), (8,)),
        Mismatch("layer1.0.bn1.bias", (16,), None),
        Mismatch("extra", None, ()),
    ]
    assert format_mismatches(found).splitlines() == [
        "tensor             expected  got",
        "bn1.weight         [16]      [8]",
        "layer1.0.bn1.bias  [16]      missing",
        "extra              missing   []",
    ]
    lines = format_mismatches(find_mismatches({}, "resnet20")).splitlines()
    assert len(lines) == 12 and lines[-1] == "and 104 more"
