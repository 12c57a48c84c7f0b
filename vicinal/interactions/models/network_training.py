"""Train the graph network on the known effects of pairs."""

import functools
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.models.network import (
    InteractionNetwork,
    NetworkInputs,
    make_inputs,
)
from vicinal.interactions.pair_effects import PairEffects

WIDTH, HIDDEN, DROPOUT, ID_DROPOUT = 256, 256, 0.1, 0.2
KNOWN_PAIRS, OTHER_PAIRS = 1024, 1024
"""pairs of a step with and without known effects"""

LR, WEIGHT_DECAY, WARM_UP = 1e-2, 1e-2, 0.1
"""WARM_UP: share of the steps in which the learning rate rises"""


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
    cross-entropy of all effects, in which rare ones weigh more. Equal seeds and steps
    give equal weights. seconds: of the process, after which the learning rate is 0 and
    training ends, instead of `steps`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = make_inputs(known, features)
        network = InteractionNetwork(inputs, WIDTH, HIDDEN, DROPOUT)
    pairs = KNOWN_PAIRS + OTHER_PAIRS
    share = KNOWN_PAIRS / pairs * known.effect_counts / max(len(known.codes), 1)
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
        network.parameters(),
        lr=LR,
        weight_decay=WEIGHT_DECAY,
        betas=(0.9, 0.99),
        fused=True,
    )
    counts = np.maximum(known.effect_counts, 1)
    rarity = np.sqrt(np.median(counts) / counts)
    weights = torch.from_numpy((rarity / rarity.mean()).astype(np.float32))
    dtype = fast_dtype()
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps if seconds is None else 2**31):
        done = step / steps
        if seconds is not None:
            spent = time.process_time() - started
            done = spent / seconds if spent < seconds else 1.0
        if done >= 1 or not len(known.codes):
            return
        for group in optimizer.param_groups:
            group["lr"] = LR * _schedule(done)
        rows = rng.integers(len(known.codes), size=KNOWN_PAIRS)
        pairs = np.concatenate([known.pairs[rows], _other_pairs(known, rng)])
        positions = torch.from_numpy(_positions(known, rows))
        chance = torch.rand(len(inputs.is_known), generator=generator)
        has_id = inputs.is_known & (chance >= ID_DROPOUT)
        vectors = network.vectors(has_id, generator).to(dtype)
        with torch.autocast("cpu", torch.bfloat16, dtype == torch.bfloat16):
            x = network.pair_features(vectors, torch.from_numpy(pairs))
        out = network.out
        loss = EffectLoss.apply(x, out.weight, out.bias, positions, weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield float(loss.detach())


def _positions(known: PairEffects, rows: np.ndarray) -> np.ndarray:
    """Return the positions of known effects in the flat table of some rows."""
    chosen = known.table[rows]
    starts = np.arange(len(rows)) * known.num_effects
    return np.repeat(starts, np.diff(chosen.indptr)) + chosen.indices


class EffectLoss(torch.autograd.Function):
    """Binary cross-entropy of linear logits, whose gradient is found at once.

    The mean over M pairs and E effects, weighted; products are in the dtype of x.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, *targets: Tensor
    ) -> Tensor:
        """x: [M, F]. weight: [E, F]. bias: [E].

        targets: positions in the flat [M, E] of what is true, and the weights [E] of
        the effects.
        """
        positions, weights = targets
        weight = weight.to(x.dtype)
        logits = torch.addmm(bias.to(x.dtype), x, weight.T)
        loss = (softplus(logits) @ weights.to(x.dtype)).sum(dtype=torch.float32)
        true = logits.view(-1)[positions].float()
        loss -= true @ weights[positions % len(weights)]
        errors = logits.sigmoid_()
        errors.view(-1)[positions] -= 1
        ctx.save_for_backward(errors, x, weight, weights)
        return loss / logits.numel()

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, scale: Tensor
    ) -> tuple[Tensor | None, ...]:
        errors, x, weight, weights = ctx.saved_tensors
        gradient = errors * (scale * weights / errors.numel()).to(x.dtype)
        of_bias = gradient.new_ones(1, len(x)) @ gradient
        of_weight = (gradient.T @ x).float()
        return gradient @ weight, of_weight, of_bias[0].float(), None, None


@functools.cache
def fast_dtype() -> torch.dtype:
    """Return the faster of bfloat16 and float32 for products on this processor.

    The best of many products: other load must not decide.
    """
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, times = torch.ones(512, 512, dtype=dtype), []
        for _ in range(10):
            before = time.perf_counter()
            torch.mm(x, x)
            times.append(time.perf_counter() - before)
        seconds[dtype] = min(times)
    return min(seconds, key=seconds.__getitem__)


def _schedule(done: float) -> float:
    """Return the learning rate as a share of its peak; done: share of training."""
    falling = math.cos(math.pi * max(0.0, done - WARM_UP) / (1 - WARM_UP))
    return min(1.0, done / WARM_UP + 1e-3) * (1 + falling) / 2


def _other_pairs(known: PairEffects, rng: np.random.Generator) -> np.ndarray:
    """Return pairs of known drugs without known effects, OTHER_PAIRS at most."""
    drugs = np.flatnonzero(known.degrees > 0)
    pairs = drugs[rng.integers(len(drugs), size=(2 * OTHER_PAIRS, 2))]
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return pairs[known.rows(pairs) < 0][:OTHER_PAIRS]
