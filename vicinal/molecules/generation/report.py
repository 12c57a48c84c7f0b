"""What the report of a generator shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rdkit import Chem

from vicinal.core.report.report import Block, Figure, Table, Text
from vicinal.core.text import format_percent
from vicinal.molecules.explain.drawing import draw_grid
from vicinal.molecules.generation.corpus import MoleculeCorpus
from vicinal.molecules.generation.evaluation.samples import (
    BRICS,
    HELD_OUT,
    Samples,
    SampleScores,
)

DRAWN = 12
"""molecules in a drawing"""

MEMORISED = 0.05
"""by how much more than held-out molecules new ones resemble training molecules"""


def corpus_statistics(corpus: MoleculeCorpus) -> dict[str, Any]:
    """Return figures that describe molecules."""
    sizes = [len(tree.fragments) for tree in corpus.trees]
    kinds = {name for tree in corpus.trees for name in tree.fragments}
    return {
        "rows": corpus.num_rows,
        "molecules": len(corpus),
        "fragments": len(kinds),
        "fragments_per_molecule": round(float(np.mean(sizes)), 2),
    }


def corpus_lines(corpus: MoleculeCorpus) -> list[str]:
    """Return the same in words."""
    found = corpus_statistics(corpus)
    return [
        f"{found['molecules']:,} different molecules without stereochemistry",
        f"{found['fragments']:,} different fragments; a molecule has "
        f"{found['fragments_per_molecule']:.1f} on average",
    ]


def sample_line(each: SampleScores) -> str:
    """Return the scores of one source in a line."""
    quality = each.quality
    fcd = "" if each.fcd is None else f", FCD {each.fcd:.2f}"
    return (
        f"  {each.name} (n = {quality.n:,}): "
        f"valid {format_percent(quality.valid)}, "
        f"unique {format_percent(quality.unique)}, "
        f"novel {format_percent(quality.novel)}, "
        f"KL score {quality.kl_score:.3f}{fcd}"
    )


def sample_blocks(samples: Samples | None) -> list[Block]:
    """Show drawn molecules and their scores beside those of the null models."""
    if samples is None:
        text = "Too few molecules are held out to compare new molecules with."
        return [Text(text, "warning")]
    shown = [each for each in samples.scores if each.fcd is not None]
    columns = ["molecules", "n", "valid", "unique", "novel", "diversity", "scaffolds"]
    columns += ["KL score", "nearest", *(["FCD"] if shown else [])]
    rows = [[*_cells(each), *([each.fcd] if shown else [])] for each in samples.scores]
    caption = (
        "Valid, unique, novel, scaffolds: in percent. Diversity: 1 - mean similarity. "
        "KL score: of nine descriptors (GuacaMol). Nearest: mean similarity to the "
        f"nearest of {samples.known:,} training molecules. Held-out molecules show "
        "what can be reached."
    )
    mols = [Chem.MolFromSmiles(text) for text in samples.smiles[:DRAWN]]
    return [
        Text(_verdict(samples)),
        Table(columns, rows, caption),
        Figure(draw_grid(mols, [""] * len(mols)), "The first molecules it drew."),
    ]


def _cells(each: SampleScores) -> list[Any]:
    quality = each.quality
    shares = (quality.valid, quality.unique, quality.novel)
    return [
        each.name,
        quality.n,
        *map(format_percent, shares),
        quality.diversity,
        format_percent(quality.scaffolds),
        quality.kl_score,
        quality.nearest,
    ]


def _verdict(samples: Samples) -> str:
    """Say whether new molecules are closer to held-out ones than recombination is."""
    ours = samples.best.kl_score
    theirs = {
        each.name: each.quality.kl_score
        for each in samples.scores[1:]
        if each.name not in (HELD_OUT, BRICS)
    }
    better = [name for name, score in theirs.items() if score >= ours]
    if better:
        return (
            f"By the KL score the new molecules are no closer to held-out ones than "
            f"those of {' and '.join(better)}."
        )
    return (
        "By the KL score the new molecules are closer to held-out ones than those of "
        f"{' and '.join(theirs)}."
    )


def memorisation_note(samples: Samples) -> list[str]:
    """Return a note where new molecules resemble training molecules too much.

    That is, more than held-out molecules of the same source do, by `MEMORISED`.
    """
    by_name = {each.name: each.quality for each in samples.scores}
    held_out = by_name.get(HELD_OUT)
    if held_out is None or samples.best.nearest <= held_out.nearest + MEMORISED:
        return []
    return [
        f"new molecules resemble training molecules (mean similarity to the nearest "
        f"{samples.best.nearest:.2f}) more than held-out ones do "
        f"({held_out.nearest:.2f}): the generator may have memorised them"
    ]


def unlikely_blocks(predictions: Any) -> list[Block]:
    """Draw the held-out molecules that the generator finds least likely."""
    worst = predictions.sort_values("nll", ascending=False).head(DRAWN)
    mols = [Chem.MolFromSmiles(text) for text in worst["smiles"]]
    legends = [f"{value:.1f}" for value in worst["nll"]]
    caption = (
        "The least likely test molecules, each with its negative log-likelihood: what "
        "the generator hardly ever makes."
    )
    return [Figure(draw_grid(mols, legends), caption)]


def fragment_table(names: Sequence[str], shares: np.ndarray) -> Table:
    """List the most frequent fragments. shares: [fragments] of all first fragments."""
    order = np.argsort(-shares, kind="stable")[:DRAWN]
    rows = [[names[k], 100 * float(shares[k])] for k in order]
    return Table(["fragment", "share in %"], rows, "The most frequent fragments.")
