"""The network of a molecule: messages, the mean and sum of its atoms, descriptors, MLP.

    z_v = D-MPNN or GINE(atoms, bonds)                      vectors of the atoms
    h   = [mean of z_v, sum of z_v / 32, descriptors]       embedding of the molecule
    y   = W_2 ReLU(W_1 h)

K. Yang et al.: Analyzing Learned Molecular Representations for Property Prediction,
J. Chem. Inf. Model. 2019, section 2.2, with descriptors at the readout (section 2.3).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vicinal.core.storage.schema import Integer, Number, Object, Text
from vicinal.core.text import pluralize
from vicinal.graphs.layers.dropout import Dropout
from vicinal.molecules.graphs import ATOM_FEATURES, BOND_FEATURES
from vicinal.molecules.network.batches import MoleculeBatch
from vicinal.molecules.network.layers import LAYERS, NAMES
from vicinal.molecules.settings import MAX_STEPS
from vicinal.ops.aggregation import aggregate

TYPICAL_ATOMS = 32.0
"""divides the sum over atoms, which grows with the molecule"""


class MoleculeNetworkConfig(NamedTuple):
    """Sizes of the network."""

    descriptors: int
    """at the readout; 0: none"""

    hidden: int
    steps: int
    outputs: int
    dropout: float
    layer: str = "dmpnn"
    """name in `LAYERS`"""


CONFIG = Object(
    {
        "descriptors": Integer(0),
        "hidden": Integer(1),
        "steps": Integer(1, MAX_STEPS),
        "outputs": Integer(1),
        "dropout": Number(0, 1),
    },
    {"layer": Text(tuple(LAYERS))},
)
"""schema of these sizes in a model file; `load_network` checks them"""


class MoleculeNetwork(nn.Module):
    """D-MPNN or GINE, with descriptors at the readout."""

    def __init__(self, config: MoleculeNetworkConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        sizes = len(ATOM_FEATURES), len(BOND_FEATURES), hidden, config.steps
        self.layer = LAYERS[config.layer](*sizes, config.dropout)
        self.dropout = Dropout(config.dropout)
        self.first = nn.Linear(2 * hidden + config.descriptors, hidden)
        self.last = nn.Linear(hidden, config.outputs)

    def atom_vectors(self, molecules: MoleculeBatch) -> Tensor:
        """Return the vectors z [N, hidden] of the atoms."""
        return self.layer(
            molecules.atoms, molecules.adjacency, molecules.bonds, molecules.reverse
        )

    def readout(self, z: Tensor, molecules: MoleculeBatch) -> Tensor:
        """Return the embeddings h [B, 2 hidden + D] of vectors of atoms [N, hidden]."""
        total = aggregate(z, molecules.batch, molecules.num_molecules)
        sizes = torch.bincount(molecules.batch, minlength=molecules.num_molecules)
        mean = total / sizes[:, None].clamp(min=1)
        parts = [mean, total / TYPICAL_ATOMS]
        if self.config.descriptors:
            parts.append(molecules.descriptors)
        return torch.cat(parts, dim=1)

    def embed(self, molecules: MoleculeBatch) -> Tensor:
        """Return the input [B, hidden] of the last layer."""
        h = self.readout(self.atom_vectors(molecules), molecules)
        return torch.relu(self.first(self.dropout(h)))

    def forward(self, molecules: MoleculeBatch) -> Tensor:
        """Return the logits [B, K]."""
        return self.last(self.dropout(self.embed(molecules)))


class FoldNetworks(nn.Module):
    """A network for each fold, or some: not trained on the molecules of that fold.

    Trained together, they share the mini-batches. Their average is an ensemble
    (A. Krogh and J. Vedelsby: Neural Network Ensembles, Cross Validation, and Active
    Learning, 1995), and each predicts its fold for the comparison with the baseline.
    """

    def __init__(self, config: MoleculeNetworkConfig, num_folds: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(MoleculeNetwork(config) for _ in range(num_folds))

    @property
    def config(self) -> MoleculeNetworkConfig:
        """Return the sizes of each network."""
        first = self.networks[0]
        assert isinstance(first, MoleculeNetwork)
        return first.config

    def forward(self, molecules: MoleculeBatch) -> Tensor:
        """Return the logits [B, folds, K] of all networks."""
        return torch.stack([network(molecules) for network in self.networks], dim=1)


def describe_networks(networks: FoldNetworks) -> str:
    """Return their number and their kind."""
    count = pluralize(len(networks.networks), "network")
    return f"{count} ({NAMES[networks.config.layer]})"
