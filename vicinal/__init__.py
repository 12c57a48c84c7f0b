"""vicinal: convolutional networks on images and graph neural networks on graphs.

The public API. Each name is imported when it is first used, so that `import vicinal` is
quick and does not load torch.
"""

import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Threads that wait for each other sleep instead of spinning: with another program on
# the same cores, a training step took 26 times as long with spinning. It must be set
# before torch is loaded; a value that the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from vicinal.core.evaluation.evaluation import Evaluation
    from vicinal.domains import load
    from vicinal.graphs.data.graph_table import GraphTable
    from vicinal.graphs.data.read import read_graph
    from vicinal.graphs.data.tensors import Graph, GraphBatch
    from vicinal.graphs.graph_estimators import GraphClassifier, GraphRegressor
    from vicinal.graphs.link_predictor import LinkPredictor
    from vicinal.graphs.node_estimators import NodeClassifier, NodeRegressor
    from vicinal.images.classifier import ImageClassifier
    from vicinal.images.data.read import ImageTable, read_images
    from vicinal.images.regressor import ImageRegressor
    from vicinal.interactions.predictor import InteractionPredictor
    from vicinal.knowledge.completion.predictor import TriplePredictor
    from vicinal.knowledge.importance.regressor import ImportanceRegressor
    from vicinal.knowledge.recommendation.recommender import Recommender
    from vicinal.molecules.data.molecule_table import MoleculeTable
    from vicinal.molecules.data.read import read_molecules
    from vicinal.molecules.estimators import MoleculeClassifier, MoleculeRegressor
    from vicinal.molecules.generation.generator import MoleculeGenerator

_MODULES = {
    "Evaluation": "vicinal.core.evaluation.evaluation",
    "Graph": "vicinal.graphs.data.tensors",
    "GraphBatch": "vicinal.graphs.data.tensors",
    "GraphClassifier": "vicinal.graphs.graph_estimators",
    "GraphRegressor": "vicinal.graphs.graph_estimators",
    "GraphTable": "vicinal.graphs.data.graph_table",
    "ImageClassifier": "vicinal.images.classifier",
    "ImageRegressor": "vicinal.images.regressor",
    "ImageTable": "vicinal.images.data.read",
    "ImportanceRegressor": "vicinal.knowledge.importance.regressor",
    "InteractionPredictor": "vicinal.interactions.predictor",
    "LinkPredictor": "vicinal.graphs.link_predictor",
    "MoleculeClassifier": "vicinal.molecules.estimators",
    "MoleculeGenerator": "vicinal.molecules.generation.generator",
    "MoleculeRegressor": "vicinal.molecules.estimators",
    "MoleculeTable": "vicinal.molecules.data.molecule_table",
    "NodeClassifier": "vicinal.graphs.node_estimators",
    "NodeRegressor": "vicinal.graphs.node_estimators",
    "Recommender": "vicinal.knowledge.recommendation.recommender",
    "TriplePredictor": "vicinal.knowledge.completion.predictor",
    "load": "vicinal.domains",
    "read_graph": "vicinal.graphs.data.read",
    "read_images": "vicinal.images.data.read",
    "read_molecules": "vicinal.molecules.data.read",
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
    "ImportanceRegressor",
    "InteractionPredictor",
    "LinkPredictor",
    "MoleculeClassifier",
    "MoleculeGenerator",
    "MoleculeRegressor",
    "MoleculeTable",
    "NodeClassifier",
    "NodeRegressor",
    "Recommender",
    "TriplePredictor",
    "load",
    "read_graph",
    "read_images",
    "read_molecules",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'vicinal' has no attribute {name!r}")
    from vicinal.core.extras import import_with_extras

    return getattr(import_with_extras(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
