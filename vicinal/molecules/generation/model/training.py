"""Training of the network on all steps of growth."""

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.evaluation.significance import (
    PairedComparison,
    permutation_p_value,
)
from vicinal.core.training.row_loader import RowLoader
from vicinal.core.training.trainer import Validate, no_validation
from vicinal.molecules.generation.grammar.vocabulary import Sequences
from vicinal.molecules.generation.model.batches import SequenceBatch
from vicinal.molecules.generation.model.counts import FragmentCounts
from vicinal.molecules.generation.model.network import FragmentNetwork

EPOCHS, LR, MOLECULES_PER_BATCH = 2, 4e-3, 128
EVALUATED_TOGETHER = 256


class BoundNetwork(nn.Module):
    """A network bound to its sequences: rows [B] to the losses of their tokens.

    Of those that join others; the first of a molecule depends on nothing.
    """

    def __init__(
        self,
        network: FragmentNetwork,
        counts: FragmentCounts,
        sequences: Sequences,
        leave_one_out: bool = True,
    ) -> None:
        """leave_one_out: the sequences are those that were counted."""
        super().__init__()
        self.network, self.counts, self.sequences = network, counts, sequences
        self.leave_one_out = leave_one_out

    def forward(self, rows: Tensor) -> Tensor:
        return self.losses(rows.numpy())

    def losses(self, rows: np.ndarray) -> Tensor:
        """Return the negative log-likelihoods of the joining tokens of some rows."""
        vocabulary = self.counts.vocabulary
        batch = SequenceBatch.from_sequences(self.sequences, rows, vocabulary)
        joins = batch.joins
        contexts, tokens = batch.contexts[joins].numpy(), batch.tokens[joins]
        prior = torch.from_numpy(self.counts.log_probabilities(contexts))
        if self.leave_one_out:
            own = self.counts.without_own(contexts, tokens.numpy())
            prior[torch.arange(len(tokens)), tokens] = torch.from_numpy(own)
        logits = self.network.correct(self.network.encode_queries(batch)[joins], prior)
        return F.cross_entropy(logits, tokens, reduction="none")


class MeanLoss:
    """The mean loss of a batch of tokens."""

    metric: ClassVar[str] = "loss"

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """logits: the losses that `BoundNetwork` returns. y: not used."""
        return logits.mean()

    def batch_weight(self, y: Tensor) -> float:
        """Return the weight of a batch's mean loss in a mean over batches."""
        return float(len(y))


def sequence_loader(sequences: Sequences, per_batch: int, seed: int) -> RowLoader:
    """Return mini-batches of about `per_batch` molecules, of equally many tokens."""
    rows = np.arange(len(sequences))
    steps = max(1, round(len(rows) / per_batch))
    return RowLoader(rows, torch.zeros(len(rows)), sequences.lengths, steps, seed)


@torch.no_grad()
def molecule_nll(
    network: FragmentNetwork | None, counts: FragmentCounts, sequences: Sequences
) -> np.ndarray:
    """Return the negative log-likelihood [M] of molecules, in nats.

    Along the one order of growth that is given, so it is an upper bound of that of the
    molecule, which may grow in many orders. network: None: by the counts alone.
    """
    losses = -counts.log_likelihoods(sequences)
    if network is not None:
        bound = BoundNetwork(network.eval(), counts, sequences, leave_one_out=False)
        joins = sequences.parents >= 0
        blocks = range(0, len(sequences), EVALUATED_TOGETHER)
        rows = [np.arange(len(sequences))[k : k + EVALUATED_TOGETHER] for k in blocks]
        losses[joins] = torch.cat([bound.losses(own) for own in rows]).numpy()
    owner = np.repeat(np.arange(len(sequences)), sequences.lengths)
    return np.bincount(owner, losses, minlength=len(sequences))


def mean_nll(
    network: FragmentNetwork | None, counts: FragmentCounts, sequences: Sequences
) -> float:
    """Return the mean negative log-likelihood of tokens, in nats."""
    return float(molecule_nll(network, counts, sequences).sum() / len(sequences.tokens))


def validation_loss(
    network: FragmentNetwork, counts: FragmentCounts, sequences: Sequences
) -> Validate:
    """Return what computes the mean loss of a fragment, and of a molecule."""
    if not len(sequences):
        return no_validation

    def validate(model: nn.Module) -> tuple[float, float]:
        nll = molecule_nll(network, counts, sequences)
        return float(nll.sum() / len(sequences.tokens)), float(nll.mean())

    return validate


def compare_with_counts(
    network: FragmentNetwork, counts: FragmentCounts, sequences: Sequences
) -> PairedComparison:
    """Compare a network with the counts alone on molecules held out."""
    ours = molecule_nll(network, counts, sequences)
    theirs = molecule_nll(None, counts, sequences)
    return PairedComparison(
        "negative log-likelihood of a molecule",
        float(ours.mean()),
        float(theirs.mean()),
        permutation_p_value(theirs - ours),
        int((ours < theirs).sum()),
        int((ours > theirs).sum()),
        len(ours),
    )
