"""VGG-11: torchvision's names, and where its dropouts are."""

import torch

from vicinal.images.networks.vgg import VGG, vgg11

EXPECTED_SHAPES = {
    "features.0.weight": (64, 3, 3, 3),
    "features.0.bias": (64,),
    "features.3.weight": (128, 64, 3, 3),
    "features.6.weight": (256, 128, 3, 3),
    "features.8.weight": (256, 256, 3, 3),
    "features.11.weight": (512, 256, 3, 3),
    "features.13.weight": (512, 512, 3, 3),
    "features.16.weight": (512, 512, 3, 3),
    "features.18.weight": (512, 512, 3, 3),
    "features.18.bias": (512,),
    "classifier.0.weight": (4096, 25088),
    "classifier.3.weight": (4096, 4096),
    "classifier.6.weight": (1000, 4096),
    "classifier.6.bias": (1000,),
}


def test_names_and_shapes_are_those_of_torchvision(shapes):
    with torch.device("meta"):
        found = shapes(vgg11())
    assert len(found) == 22  # 8 convolutions and 3 dense layers, weight and bias
    assert found.items() >= EXPECTED_SHAPES.items()


def test_the_last_dropout_is_outside_the_embedding():
    torch.manual_seed(0)
    narrow = VGG(((4,), (8,)), num_classes=3, in_channels=1)
    x = torch.rand(2, 1, 32, 32)
    narrow.classifier[2].eval()  # the dropout between the dense layers
    assert torch.equal(narrow.embed(x), narrow.embed(x))
    assert not torch.equal(narrow(x), narrow(x))
    assert torch.equal(narrow.eval()(x), narrow(x))
