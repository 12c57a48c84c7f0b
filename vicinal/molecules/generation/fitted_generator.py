"""What MoleculeGenerator finds in `fit`, and its files."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from rdkit import Chem, rdBase
from scipy.sparse import csr_matrix

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import SPLITS, TRAIN
from vicinal.core.estimators.estimator import DESCRIPTION
from vicinal.core.estimators.model_files import (
    TensorOf,
    check_rows,
    check_tensors,
    decode_names,
    encode_names,
    network_tensors,
    restore_network,
)
from vicinal.core.evaluation.significance import PairedComparison
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import ListOf, Nullable, Number, Object, Schema
from vicinal.core.training.history import EPOCH, Epoch
from vicinal.errors import NoDataError
from vicinal.molecules.generation.corpus import MoleculeCorpus
from vicinal.molecules.generation.evaluation.similarity import NUM_BYTES
from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary
from vicinal.molecules.generation.model.counts import FragmentCounts
from vicinal.molecules.generation.model.network import (
    CONFIG,
    FragmentNetwork,
    FragmentNetworkConfig,
)

SCHEMA = Object(
    {
        **DESCRIPTION,
        "history": ListOf(EPOCH),
        "coverage": Number(0, 1),
        "network": Nullable(CONFIG),
    },
    more=True,
)
"""schema of model.json"""


@dataclass(frozen=True, kw_only=True)
class FittedGenerator:
    """The vocabulary, the counts, and the network that corrects them."""

    schema: ClassVar[Schema] = SCHEMA
    temperature: ClassVar[None] = None
    """nothing is calibrated"""

    counts: FragmentCounts
    network: FragmentNetwork | None = None
    """None: the counts alone"""

    smiles: np.ndarray
    """[N] the molecules that `fit` was given, canonical, without stereochemistry"""

    split: np.ndarray
    """[N] train, val or test"""

    prints: np.ndarray
    """[N, bytes] their fingerprints (`pack_fingerprint`)"""

    comparison: PairedComparison | None = None
    """of the network with the counts; None: no network was trained, or after loading"""

    coverage: float
    """share of the training molecules whose fragments are all in the vocabulary"""

    untested: bool = False
    """a network was trained, and there was no validation split to compare it on"""

    history: list[Epoch] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    """rows that could not be used, with the reason"""

    corpus: MoleculeCorpus | None = None
    """what `fit` was given; None after loading"""

    sequences: Sequences | None = None
    """orders of growth that the network is trained on; None after loading"""

    @property
    def training_sequences(self) -> Sequences:
        """Return these orders; NoDataError for a loaded model."""
        if self.sequences is None:
            raise NoDataError("A loaded model does not contain its training data.")
        return self.sequences

    @property
    def vocabulary(self) -> Vocabulary:
        """Return the tokens."""
        return self.counts.vocabulary

    @property
    def training_smiles(self) -> set[str]:
        """Return the training molecules."""
        return set(self.smiles[self.split == TRAIN])

    @property
    def known_smiles(self) -> set[str]:
        """Return all molecules that `fit` was given, those held out included."""
        return set(self.smiles)

    def to_files(self) -> tuple[dict[str, Any], Tensors]:
        """Return what model.json and model.safetensors hold."""
        counts = self.counts.counts
        codes = {name: code for code, name in enumerate(SPLITS)}
        tensors = {
            "fragments": encode_names(self.vocabulary.fragments),
            "smiles": encode_names(self.smiles),
            "split": torch.tensor([codes[k] for k in self.split], dtype=torch.uint8),
            "prints": torch.from_numpy(self.prints),
            "counts.values": torch.from_numpy(counts.data),
            "counts.tokens": torch.from_numpy(counts.indices.astype(np.int64)),
            "counts.starts": torch.from_numpy(counts.indptr.astype(np.int64)),
        }
        description = {
            "history": [epoch._asdict() for epoch in self.history],
            "coverage": self.coverage,
            "network": None,
        }
        if self.network is not None:
            description["network"] = self.network.config._asdict()
            tensors |= network_tensors(self.network)
        return description, tensors

    @classmethod
    def from_files(
        cls, description: dict[str, Any], tensors: Tensors, settings: Any = None
    ) -> Self:
        """Return the generator that `to_files` described; ValueError for a bad one.

        settings: not used.
        """
        vocabulary = Vocabulary(_restore_fragments(tensors))
        smiles = decode_names("smiles", tensors)
        expected = {
            "split": TensorOf((torch.uint8,), (len(smiles),)),
            "prints": TensorOf((torch.uint8,), (len(smiles), NUM_BYTES)),
        }
        check_tensors(tensors, expected)
        codes = tensors["split"].numpy()
        check_rows("split", codes, len(SPLITS))
        counts = FragmentCounts(vocabulary, _restore_counts(tensors, vocabulary))
        return cls(
            counts=counts,
            network=_restore_network(description, tensors, vocabulary),
            smiles=smiles,
            split=np.array(SPLITS, dtype=object)[codes],
            prints=tensors["prints"].numpy(),
            coverage=description["coverage"],
            history=[Epoch.from_dict(epoch) for epoch in description["history"]],
        )


def _restore_fragments(tensors: Tensors) -> list[str]:
    """Return the fragments; ValueError for one that is no molecule."""
    fragments = [str(name) for name in decode_names("fragments", tensors)]
    with rdBase.BlockLogs():
        bad = [name for name in fragments if Chem.MolFromSmiles(name) is None]
    if bad or len(set(fragments)) < len(fragments):
        raise ValueError(
            f"fragments must be different SMILES. Got {(bad or ['two'])[0]}"
        )
    return fragments


def _restore_counts(tensors: Tensors, vocabulary: Vocabulary) -> csr_matrix:
    """Return counts [contexts, tokens]; ValueError for those of another vocabulary."""
    shape = vocabulary.num_contexts, len(vocabulary)
    expected = {
        "counts.values": TensorOf((torch.float64,), ("counts",)),
        "counts.tokens": TensorOf((torch.int64,), ("counts",)),
        "counts.starts": TensorOf((torch.int64,), (shape[0] + 1,)),
    }
    check_tensors(tensors, expected)
    values, tokens, starts = (tensors[name].numpy() for name in expected)
    check_rows("counts.tokens", tokens, shape[1])
    whole = (
        starts[0] == 0 and starts[-1] == len(tokens) and (np.diff(starts) >= 0).all()
    )
    if not whole or not (values > 0).all():
        raise ValueError("counts must be above 0, in rows from the first to the last")
    rows = np.repeat(np.arange(shape[0]), np.diff(starts))
    joins = tokens < vocabulary.num_joining
    if ((rows < vocabulary.beginning) != joins).any():
        raise ValueError("counts of first fragments must be those of the last context")
    if vocabulary.num_joining and vocabulary.num_sites[: vocabulary.num_joining].all():
        raise ValueError("no fragment ends a molecule")
    return csr_matrix((values, tokens, starts), shape=shape)


def _restore_network(
    description: dict[str, Any], tensors: Tensors, vocabulary: Vocabulary
) -> FragmentNetwork | None:
    """Return the network; ValueError for one of another vocabulary."""
    if description["network"] is None:
        return None
    config = FragmentNetworkConfig(**description["network"])
    sizes = len(vocabulary), vocabulary.num_joining, vocabulary.num_contexts
    if (config.tokens, config.joining, config.contexts) != sizes:
        raise ValueError("the network is one of another vocabulary")
    if config.hidden % config.heads:
        raise ValueError("hidden must be a multiple of heads")
    return restore_network(lambda: FragmentNetwork(config), tensors)
