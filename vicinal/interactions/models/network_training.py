"""Train the graph network on the known effects of pairs."""

import math
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.models.network import (
    InteractionNetwork,
    NetworkInputs,
    make_inputs,
)
from vicinal.interactions.pair_effects import PairEffects

HIDDEN, DROPOUT, ID_DROPOUT = 128, 0.2, 0.2
BATCH, LR, WEIGHT_DECAY, WARM_UP = 1024, 1e-2, 1e-2, 0.1
"""pairs of a step, half of them without known effects; WARM_UP: share of the steps in
which the learning rate rises"""


def train_network(
    known: PairEffects, features: DrugFeatures, *, seed: int, steps: int
) -> InteractionNetwork:
    """Return the network after a number of steps; see `training_steps`."""
    network, losses = training_steps(known, features, seed=seed, steps=steps)
    for _ in losses:
        pass
    return network.eval()


def training_steps(
    known: PairEffects,
    features: DrugFeatures,
    *,
    seed: int,
    steps: int,
    seconds: float | None = None,
) -> tuple[InteractionNetwork, Iterator[float]]:
    """Return a network, and an iterator of the losses of its steps of training.

    Each step has random pairs with known effects, as many without, and the binary
    cross-entropy of all effects, in which rare ones weigh more. seconds: of the
    process, after which the learning rate is 0 and training ends, instead of `steps`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = make_inputs(known, features)
        network = InteractionNetwork(inputs, HIDDEN, DROPOUT)
    share = known.effect_counts / (2 * max(len(known.codes), 1))
    share = np.clip(share, 1e-6, 1 - 1e-6)
    with torch.no_grad():
        bias = np.log(share) - np.log1p(-share)
        network.out.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
    return network, _train(network, inputs, known, seed, steps, seconds)


def _train(
    network: InteractionNetwork,
    inputs: NetworkInputs,
    known: PairEffects,
    seed: int,
    steps: int,
    seconds: float | None,
) -> Iterator[float]:
    """Yield the loss of each step."""
    rng, started = np.random.default_rng(seed), time.process_time()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=LR, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.99)
    )
    counts = np.maximum(known.effect_counts, 1)
    rarity = np.sqrt(np.median(counts) / counts)
    weights = torch.from_numpy((rarity / rarity.mean()).astype(np.float32))
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps if seconds is None else 2**31):
        done = step / steps
        if seconds is not None:
            spent = time.process_time() - started
            done = spent / seconds if spent < seconds else 1.0
        if done >= 1:
            return
        for group in optimizer.param_groups:
            group["lr"] = LR * _schedule(done)
        rows = rng.integers(len(known.codes), size=BATCH // 2)
        pairs = np.concatenate([known.pairs[rows], _other_pairs(known, rng)])
        targets = torch.zeros(len(pairs), known.num_effects)
        targets[: len(rows)] = torch.from_numpy(known.table[rows].toarray())
        chance = torch.rand(len(inputs.is_known), generator=generator)
        has_id = inputs.is_known & (chance >= ID_DROPOUT)
        vectors = network.vectors(has_id, generator)
        logits = network(vectors, torch.from_numpy(pairs))
        loss = binary_cross_entropy_with_logits(logits, targets, weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield float(loss.detach())


def _schedule(done: float) -> float:
    """Return the learning rate as a share of its peak; done: share of training."""
    falling = math.cos(math.pi * max(0.0, done - WARM_UP) / (1 - WARM_UP))
    return min(1.0, done / WARM_UP + 1e-3) * (1 + falling) / 2


def _other_pairs(known: PairEffects, rng: np.random.Generator) -> np.ndarray:
    """Return pairs of known drugs without known effects, BATCH / 2 of them at most."""
    drugs = np.flatnonzero(known.degrees > 0)
    pairs = drugs[rng.integers(len(drugs), size=(BATCH, 2))]
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return pairs[known.rows(pairs) < 0][: BATCH // 2]
