"""Parts of model files: names survive, and nothing is allocated on a file's word."""

import numpy as np
import pytest
import torch
from torch import nn

from vicinal.core.estimators.model_files import (
    FLOATS,
    SkipInitialization,
    TensorOf,
    check_rows,
    check_tensors,
    decode_names,
    encode_names,
    load_network,
    restore_head,
)


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b"],
        ["Zürich", "東京", "\N{GRINNING FACE}"],
        ["a\0b", "c", "\0", "\0\0x"],
        ["not UTF-8 \udcff", "b"],
        ["", "a", ""],
        ["a\0", ""],
        [""],
    ],
)
def test_names_survive(names):
    assert decode_names("ids", {"ids": encode_names(names)}).tolist() == names


def test_other_tensors_are_no_names():
    for tensors in ({}, {"ids": torch.zeros(2)}, {"ids": torch.zeros(2, 2).byte()}):
        with pytest.raises(ValueError, match=r"ids must be uint8 or int32 \[codes\]"):
            decode_names("ids", tensors)


def test_names_without_zeros_are_stored_as_before():
    assert encode_names(["ab", "c"]).tolist() == [97, 98, 0, 99]
    assert encode_names(["ab", "c"]).dtype == torch.uint8


EDGES = {
    "source": TensorOf((torch.int64,), ("edges",)),
    "target": TensorOf((torch.int64,), ("edges",)),
    "x": TensorOf(FLOATS, ("nodes", 2)),
}


def test_sizes_of_tensors():
    ends = torch.arange(3)
    tensors = {"source": ends, "target": ends, "x": torch.zeros(4, 2)}
    assert check_tensors(tensors, EDGES) == {"edges": 3, "nodes": 4}
    wrong = {
        "target": (ends[:2], r"target must be int64 \[3\]. Got int64 \[2\]"),
        "source": (ends.int(), "source must be int64"),
        "x": (torch.zeros(4, 3), r"x must be float32 or float64 \[nodes, 2\]"),
    }
    for name, (tensor, message) in wrong.items():
        with pytest.raises(ValueError, match=message):
            check_tensors(tensors | {name: tensor}, EDGES)
    with pytest.raises(ValueError, match=r"x must be float32 or float64 \[5, 2\]"):
        check_tensors(tensors, EDGES, nodes=5)
    with pytest.raises(ValueError, match="Got nothing"):
        check_tensors({"source": ends}, EDGES)


def test_rows_are_those_of_a_table():
    check_rows("source", np.array([], np.int64), 0)
    check_rows("source", np.array([0, 2]), 3)
    for rows in ([-1, 0], [0, 3], [2**62]):
        with pytest.raises(ValueError, match="source must be rows from 0 to 2"):
            check_rows("source", np.array(rows), 3)


def test_a_network_of_claimed_sizes_is_not_built():
    tensors = nn.Linear(2, 3).state_dict()
    built = []

    def build(inputs: int) -> nn.Linear:
        built.append(torch.get_default_device().type)
        return nn.Linear(inputs, 3)

    network = load_network(lambda: build(2), tensors)
    assert torch.equal(network.weight, tensors["weight"])
    assert built == ["meta", "cpu"]
    with pytest.raises(
        ValueError, match=r"weight must be float32 \[3, 1000000000000\]"
    ):
        load_network(lambda: build(10**12), tensors)
    assert built[2:] == ["meta"]
    with pytest.raises(ValueError, match="no tensor 'more'"):
        load_network(lambda: build(2), tensors | {"more": torch.ones(1)})
    with pytest.raises(ValueError, match="bias must be"):
        load_network(lambda: build(2), {"weight": tensors["weight"]})


def test_a_head_has_the_features_and_classes_of_the_model():
    tensors = {"linear.weights": torch.ones(4, 3), "linear.bias": torch.ones(3)}
    assert restore_head("linear", tensors, 0.5, 4, 3).penalty == 0.5
    for sizes in ((5, 3), (4, 2)):
        with pytest.raises(ValueError, match=r"linear\.weights must be"):
            restore_head("linear", tensors, 0.5, *sizes)


def test_numbers_are_not_computed_where_shapes_are_enough():
    # torch would import its compiler to compute them without memory: seconds
    with torch.device("meta"), SkipInitialization():
        x = torch.empty(3, 2)
        assert nn.init.normal_(x) is x and nn.init.trunc_normal_(x) is x
        assert (1 + 0.1 * x) is x
        found = torch.randn(3, 2), torch.rand(3, 2), torch.eye(4)
    assert [tuple(t.shape) for t in found] == [(3, 2), (3, 2), (4, 4)]
    assert all(t.is_meta for t in found)
