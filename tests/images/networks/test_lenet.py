"""LeNet-5: the numbers of the 1998 paper, and its field of 32 pixels."""

import pytest
import torch
import torch.nn.functional as F

from vicinal.images.networks.lenet import lenet5, map_size


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("image_size", [8, 27, 28, 32])
def test_images_up_to_32_pixels_have_the_parameters_of_the_paper(image_size):
    # C1 156, C3 2,416, C5 48,120, F6 10,164, output 850
    network = lenet5(image_size=image_size)
    assert count(network) == 156 + 2_416 + 48_120 + 10_164 + 850 == 61_706
    assert network(torch.zeros(2, 1, image_size, image_size)).shape == (2, 10)


def test_a_small_image_is_centred_by_zero_padding():
    torch.manual_seed(0)
    small, field = lenet5(image_size=28).eval(), lenet5(image_size=32).eval()
    field.load_state_dict(small.state_dict())
    x = torch.randn(2, 1, 28, 28)
    torch.testing.assert_close(field(F.pad(x, (2, 2, 2, 2))), small(x))


def test_larger_images_have_larger_feature_maps():
    assert map_size(32) == 5
    assert map_size(64) == 13
    assert lenet5(3, 3, 64)(torch.zeros(2, 3, 64, 64)).shape == (2, 3)


def test_tanh_keeps_the_embedding_within_one():
    torch.manual_seed(0)
    x = 9 * torch.randn(4, 1, 28, 28)
    assert lenet5().embed(x).abs().max() <= 1
    assert lenet5(activation="relu").embed(x).min() == 0
