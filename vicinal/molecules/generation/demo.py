"""`vicinal demo generation`: new molecules like 5,000 of the NCI, which RDKit ships.

The first compounds of the open collection of the National Cancer Institute, in RDKit's
data directory; no download.
"""

import time
import warnings
from pathlib import Path
from typing import Any

from rdkit import RDConfig

from vicinal.core.report.console import Console
from vicinal.core.text import format_percent
from vicinal.errors import NoDataError, NoteWarning, QuarantineWarning
from vicinal.molecules.generation.evaluation.likelihood import COUNTS
from vicinal.molecules.generation.evaluation.samples import Samples, score_samples
from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.history import trace_growth
from vicinal.molecules.inference.prediction import parse_molecules

DATA = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
CORE = "*c1ccc(*)cc1"
TRACED = "CC(=O)Nc1ccc(O)cc1"
"""paracetamol"""

NUM_SAMPLES = 300
BUDGET = 500


def run_demo(console: Console, *, seeds: int = 1) -> dict[str, Any]:
    """Train, sample, decorate a core, optimise and explain; return the scores."""
    started_at = time.monotonic()
    if not DATA.exists():
        raise NoDataError(
            f"This installation of RDKit has no {DATA.name} in {DATA.parent}. Install "
            "RDKit with pip, or train on your own data: vicinal train DATA --task "
            "generation."
        )
    console.print("Learning from compounds of the National Cancer Institute ...")
    generator = MoleculeGenerator(min_count=2, orders=2, test_fraction=0.1, epochs=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QuarantineWarning)  # counted below
        generator.fit(DATA)
    model = generator.model_
    console.print(
        f"  {len(model.smiles):,} molecules, {len(model.quarantine):,} rows quarantined"
        f"\n  {generator.linear_description}"
    )
    samples = show_samples(generator, console)
    show_molecules(generator, console)
    show_history(generator, console)
    console.print(
        "\nNext, your own molecules, as a CSV with a column of SMILES:\n"
        "  vicinal train DATA.csv --task generation\n"
        "  vicinal generate RUN -n 1000 --output new.csv"
    )
    return {
        "score": generator.evaluate().score.to_dict(),
        "samples": [each.to_dict() for each in samples.scores] if samples else [],
        "seconds": round(time.monotonic() - started_at, 2),
    }


def show_samples(generator: MoleculeGenerator, console: Console) -> Samples | None:
    """Show the likelihood and the samples beside those of the null models."""
    found = generator.evaluate()
    counts = found.baselines.get(COUNTS, found.score)
    console.print(
        "\nNegative log-likelihood of a test molecule (lower is better):\n"
        f"  counts of fragments          {counts.value:.2f}\n"
        f"  corrected by a transformer   {found.score.value:.2f}"
    )
    samples = score_samples(generator.model_, NUM_SAMPLES, generator.random_state)
    if samples is None:
        return None
    console.print(f"\n{NUM_SAMPLES} new molecules, and what null models reach:")
    console.print(f"  {'':<26} valid  unique   novel  KL score")
    for each in samples.scores:
        quality = each.quality
        shares = (quality.valid, quality.unique, quality.novel)
        texts = " ".join(f"{format_percent(share):>7}" for share in shares)
        console.print(f"  {each.name:<25} {texts}  {quality.kl_score:.3f}")
    return samples


def show_molecules(generator: MoleculeGenerator, console: Console) -> None:
    """Show decorated cores, and the result of a search."""
    console.print(f"\nMolecules that contain {CORE}:")
    for smiles in generator.grow(CORE, 3, max_weight=350, unique=True, novel=True):
        console.print(f"  {smiles}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoteWarning)
        found = generator.optimise("qed", BUDGET)
    console.print(f"\nThe highest QED of {BUDGET} molecules, {found.scores[0]:.3f}:")
    console.print(f"  {found.smiles[0]}")


def show_history(generator: MoleculeGenerator, console: Console) -> None:
    """Show how a known molecule grows."""
    (mol,) = parse_molecules([TRACED])
    console.print(f"\nHow {TRACED} grows (P by the counts, and with the network):")
    for step in trace_growth(generator.model_, mol).steps:
        own = step.chosen.to_dict()
        console.print(
            f"  {own['token']:<20} {format_percent(own['probability_counts']):>7} "
            f"{format_percent(own['probability']):>7}"
        )
