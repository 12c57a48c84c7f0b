"""Freezing, gradual unfreezing and learning rates per layer."""

import pytest

from vicinal.errors import SettingError
from vicinal.images.networks import NETWORKS, build
from vicinal.images.training.fine_tuning import (
    choose_frozen_blocks,
    count_body_blocks,
    freeze_blocks,
    is_head_block,
    lr_multipliers,
    unfreeze_epochs,
)


def test_freezing_all_blocks_leaves_the_head_trainable():
    network = build("small", num_classes=3)
    freeze_blocks(network, "all")
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    assert names == [f"{network.head_name}.weight", f"{network.head_name}.bias"]
    freeze_blocks(network, "none")
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize(("blocks", "learned"), [(0, 4), (1, 3), (2, 2), (3, 1)])
def test_freezing_some_blocks_leaves_the_rest_trainable(blocks, learned):
    network = build("small", num_classes=3)  # three stages and the head
    freeze_blocks(network, str(blocks))
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    first = {name.split(".")[1] for name in names if name.startswith("stages.")}
    assert len(first) + 1 == learned
    assert first == {str(k) for k in range(blocks, 3)}


def test_freezing_too_many_blocks_is_an_error():
    with pytest.raises(SettingError, match=r"at most 3, .* Got 4 instead"):
        freeze_blocks(build("small", num_classes=3), "4")


LARGE = ("resnet34", "resnet50", "convnext_tiny")
"""whose kinds of blocks smaller networks have as well"""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow if n in LARGE else ())
        for n in NETWORKS
        if n != "vgg11"
    ],
)
def test_blocks_hold_every_parameter_once_and_end_with_the_head(name):
    network = build(name, num_classes=3)
    names = [k for block in network.blocks() for k in block]
    assert names == [k for k, _ in network.named_parameters()]
    head = f"{network.head_name}."
    assert [is_head_block(network, b) for b in network.blocks()].count(True) == 1
    assert all(k.startswith(head) for k in network.blocks()[-1] if "fc" in head)


def test_the_blocks_of_mobilenet_are_those_of_the_paper():
    network = build("mobilenet_v2", num_classes=3)
    assert len(network.blocks()) == 1 + 17 + 1 + 1  # stem, blocks, last, head
    by_name = lr_multipliers(network, 0.5)
    assert by_name["classifier.1.weight"] == 1
    assert by_name["features.18.0.weight"] == 0.5
    assert by_name["features.0.0.weight"] == by_name["features.0.1.bias"] == 0.5**19


@pytest.mark.parametrize(
    ("seconds", "frozen"),
    # ten epochs take 200, 100, 50 seconds; three take 15 with two frozen blocks
    [(200, "0"), (199, "1"), (100, "1"), (99, "2"), (15, "2"), (14, "all")],
)
def test_as_few_blocks_are_frozen_as_the_time_allows(seconds, frozen):
    network = build("small", num_classes=3)  # three blocks and the head
    assert count_body_blocks(network) == 3
    cost = {"0": 20, "1": 10, "2": 5}
    epochs = {blocks: seconds / each for blocks, each in cost.items()}
    assert choose_frozen_blocks(network, epochs.__getitem__) == frozen


def test_a_hopeless_epoch_is_timed_once():
    network, timed = build("small", num_classes=3), []

    def epochs(blocks: str) -> float:
        timed.append(blocks)
        return 0.3  # at most eight times as many: fewer than three

    assert choose_frozen_blocks(network, epochs) == "all"
    assert timed == ["0"]


def test_the_most_epochs_are_chosen_where_none_has_enough():
    """Blocks that are computed once may still make the first epochs slower."""
    network = build("small", num_classes=3)
    epochs = {"0": 4.0, "1": 6.0, "2": 5.0}
    assert choose_frozen_blocks(network, epochs.__getitem__) == "1"


def test_blocks_are_unfrozen_in_stages_from_the_head():
    network = build("small", num_classes=3)
    unfreeze_at = unfreeze_epochs(network, 2, 10)
    assert unfreeze_at.keys() == dict(network.named_parameters()).keys()
    by_block = [{unfreeze_at[name] for name in names} for names in network.blocks()]
    assert by_block == [{5}, {5}, {0}, {0}]
    assert set(unfreeze_epochs(network, 1, 10).values()) == {0}
    assert set(unfreeze_epochs(network, 99, 3).values()) == {0, 1, 2}
