"""The table of networks, and what every network in it promises."""

import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from vicinal.errors import SettingError
from vicinal.images.networks import NETWORKS, build

# A size that no stride divides, for each network.
IMAGE_SIZES = {name: row.image_size + 1 for name, row in NETWORKS.items()}
IMAGE_SIZES |= {name: 97 for name, row in NETWORKS.items() if row.image_size == 224}
LARGE = ("resnet34", "resnet50", "convnext_tiny")
"""whose layers smaller networks have as well"""


def quick(*names: str) -> list[Any]:
    """Return the names; large networks run with make slow."""
    return [
        pytest.param(name, marks=pytest.mark.slow if name in LARGE else ())
        for name in names
    ]


SOME = quick(*(name for name in NETWORKS if name not in ("vgg11", "resnet34")))


def images(name: str, n: int = 2, channels: int = 3) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(n, channels, IMAGE_SIZES[name], IMAGE_SIZES[name])


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_those_of_the_paper(name, meta_network):
    row = NETWORKS[name]
    network = meta_network(
        name, num_classes=row.num_classes, in_channels=row.in_channels
    )
    assert sum(p.numel() for p in network.parameters()) == row.parameters


@pytest.mark.parametrize(
    ("channels", "classes"),
    [
        (3, 7),
        *(pytest.param(*k, marks=pytest.mark.slow) for k in ((1, 1), (1, 7), (3, 1))),
    ],
)
@pytest.mark.parametrize("name", quick(*NETWORKS))
def test_shapes_of_logits_embeddings_and_gradients(
    name, channels, classes, meta_network
):
    size = IMAGE_SIZES[name]
    network = meta_network(
        name, num_classes=classes, in_channels=channels, image_size=size
    )
    x = torch.empty(3, channels, size, size, device="meta")
    logits = network(x)
    assert logits.shape == (3, classes)
    assert network.embed(x).shape == (3, network.embedding_size)
    logits.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_head_is_where_its_name_says(name, meta_network):
    network = meta_network(name, num_classes=5)
    weight = network.state_dict()[f"{network.head_name}.weight"]
    assert weight.shape == (5, network.embedding_size)
    assert network.head.in_features == network.embedding_size


@pytest.mark.parametrize("name", SOME)
def test_logits_are_the_head_of_the_embedding(name, eval_network):
    network = eval_network(name, num_classes=4, image_size=IMAGE_SIZES[name])
    x = images(name, n=1)
    with torch.inference_mode():
        embedding, logits = network.embed(x), network(x)
        assert embedding.std() > 0
        torch.testing.assert_close(network.head(embedding), logits, rtol=0, atol=0)


@pytest.mark.parametrize("name", SOME)
def test_channels_last_gives_the_same_logits(name, eval_network):
    network = eval_network(name, num_classes=4, image_size=IMAGE_SIZES[name])
    x = images(name)
    with torch.inference_mode():
        expected = network(x)
        network = network.to(memory_format=torch.channels_last)
        got = network(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SOME)
def test_bfloat16_embeddings_have_the_same_direction(name, eval_network):
    network = eval_network(name, num_classes=4, image_size=IMAGE_SIZES[name])
    network = network.to(memory_format=torch.channels_last)
    x = images(name).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        exact = network.embed(x)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network.embed(x)
    assert (F.cosine_similarity(rounded.float(), exact) > 0.999).all()


@pytest.mark.parametrize("name", ["small", "resnet20", "mobilenet_v2", "convnext_atto"])
def test_bfloat16_trains(name):
    torch.manual_seed(0)
    network = build(name, num_classes=4, image_size=IMAGE_SIZES[name])
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images(name))
    F.cross_entropy(logits.float(), torch.tensor([0, 3])).backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("name", ["small", "lenet5", "resnet20", "convnext_atto"])
def test_random_weights_depend_on_the_seed_alone(name):
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        network = build(name, num_classes=4)
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("small", {}),
        ("resnet20", {}),
        pytest.param("mobilenet_v2", {"padding": "tensorflow"}, marks=pytest.mark.slow),
        pytest.param("convnext_atto", {}, marks=pytest.mark.slow),
    ],
)
def test_exported_graph_computes_the_same(name, settings, eval_network):
    network = eval_network(
        name, num_classes=4, image_size=IMAGE_SIZES[name], **settings
    )
    x = images(name)
    batch = torch.export.Dim("batch", max=64)
    program = torch.export.export(network, (x,), dynamic_shapes=({0: batch},))
    more = images(name, n=3)
    with torch.inference_mode():
        got, expected = program.module()(more), network(more)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_an_unknown_name_gets_suggestions():
    with pytest.raises(
        SettingError, match=r"'resnet-18' instead. Did you mean 'resnet18'"
    ):
        build("resnet-18", num_classes=2)


def test_an_unsupported_option_is_refused():
    with pytest.raises(SettingError, match=r"padding.*'resnet18'.*mobilenet_v2"):
        build("resnet18", num_classes=2, padding="tensorflow")


def test_listing_the_table_does_not_load_torch():
    code = (
        "import sys, vicinal.images.networks as n; "
        "print(len(n.NETWORKS), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(len(NETWORKS)), "False"]
