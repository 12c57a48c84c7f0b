"""vicinal learns from neighbourhoods: pictures with convolutions, graphs with messages.

The table of contents. Each name is imported when it is first used, so that
`import vicinal` is quick and does not load torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Threads that wait for each other sleep instead of spinning: where another program is
# at work on the same cores, a training step took 26 times as long with spinning. It
# must be said before torch is loaded; what the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from vicinal.core.evaluation import Evaluation
    from vicinal.graphs.graph import Graph, GraphBatch
    from vicinal.graphs.links import LinkPredictor
    from vicinal.graphs.nodes import NodeClassifier, NodeRegressor
    from vicinal.graphs.read import read_graph
    from vicinal.graphs.table import GraphTable
    from vicinal.graphs.whole_graphs import GraphClassifier, GraphRegressor
    from vicinal.images.classifier import ImageClassifier
    from vicinal.images.regressor import ImageRegressor
    from vicinal.images.table import ImageTable, read_images
    from vicinal.tasks import load

_ROOMS = {
    "Evaluation": "vicinal.core.evaluation",
    "Graph": "vicinal.graphs.graph",
    "GraphBatch": "vicinal.graphs.graph",
    "GraphClassifier": "vicinal.graphs.whole_graphs",
    "GraphRegressor": "vicinal.graphs.whole_graphs",
    "GraphTable": "vicinal.graphs.table",
    "ImageClassifier": "vicinal.images.classifier",
    "ImageRegressor": "vicinal.images.regressor",
    "ImageTable": "vicinal.images.table",
    "LinkPredictor": "vicinal.graphs.links",
    "NodeClassifier": "vicinal.graphs.nodes",
    "NodeRegressor": "vicinal.graphs.nodes",
    "load": "vicinal.tasks",
    "read_graph": "vicinal.graphs.read",
    "read_images": "vicinal.images.table",
}

__all__ = [
    "Evaluation",
    "Graph",
    "GraphBatch",
    "GraphClassifier",
    "GraphRegressor",
    "GraphTable",
    "ImageClassifier",
    "ImageRegressor",
    "ImageTable",
    "LinkPredictor",
    "NodeClassifier",
    "NodeRegressor",
    "load",
    "read_graph",
    "read_images",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'vicinal' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
