"""Graphs as tensors."""

import pytest
import torch

from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.tensors import Graph, batch_graphs


def test_a_batch_of_graphs():
    a = Graph(torch.zeros(2, 3), torch.tensor([[0], [1]]), y=torch.tensor([1]))
    b = Graph(torch.ones(3, 3), torch.tensor([[0, 2], [2, 1]]), y=torch.tensor([0]))
    both = batch_graphs([a, b])
    assert both.x.shape == (5, 3) and both.num_graphs == 2
    assert both.edge_index.tolist() == [[0, 2, 4], [1, 4, 3]]
    assert both.batch.tolist() == [0, 0, 1, 1, 1]
    assert both.y is not None and both.y.tolist() == [[1], [0]]
    with pytest.raises(NoDataError, match="must not be empty"):
        batch_graphs([])
    with pytest.raises(DataError, match=r"must have y, or none\. Got 1 of 2"):
        batch_graphs([a, b._replace(y=None)])
