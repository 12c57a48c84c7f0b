"""New molecules beside those of null models: likelihood, distributions, CPU seconds.

    python -m benchmarks.sampling MOLECULES.csv --train 20000

A generator is trained on the first molecules of the file, in this process; of those
behind, 1,500 are the reference of the distributions, and 1,500 others show what can be
reached. All sources draw as many. The Frechet ChemNet distance needs `fcd_torch`.
`--minutes`: time limit of training; the threads are those of OMP_NUM_THREADS.
"""

import argparse
import time

import numpy as np
import torch
from rdkit import Chem

from benchmarks.measure import describe_machine
from vicinal import MoleculeGenerator
from vicinal.molecules.generation.corpus import read_corpus
from vicinal.molecules.generation.evaluation.metrics import score_molecules
from vicinal.molecules.generation.evaluation.null_models import (
    brics_molecules,
    without_context,
)
from vicinal.molecules.generation.evaluation.samples import frechet_distance
from vicinal.molecules.generation.evaluation.similarity import unpack_fingerprints
from vicinal.molecules.generation.sampling import Sampler

COUNT = 1500


def draw(generator: MoleculeGenerator) -> dict[str, list[str]]:
    """Return molecules of each source; print the speed of the generator."""
    model = generator.model_
    counts = model.counts
    sources = {
        "network": Sampler(counts, model.network),
        "counts": Sampler(counts),
        "no context": Sampler(without_context(counts)),
    }
    found = {}
    for name, sampler in sources.items():
        before = time.process_time()
        found[name] = sampler.sample(COUNT, torch.Generator().manual_seed(0))
        speed = COUNT / (time.process_time() - before)
        print(f"{name}: {speed:.0f} molecules a CPU second")
    found["BRICS"] = brics_molecules(sorted(model.training_smiles), COUNT, 0)
    return found


def main() -> None:
    import pandas as pd

    options = _parse()
    column = pd.read_csv(options.molecules)["smiles"].tolist()
    before, started_at = time.process_time(), time.monotonic()
    generator = MoleculeGenerator(minutes=options.minutes)
    generator.fit(column[: options.train])
    seconds, wall = time.process_time() - before, time.monotonic() - started_at
    print(f"{describe_machine()['processor']}, {torch.get_num_threads()} threads")
    print(f"trained on {options.train:,}: {seconds:.0f} CPU s, {wall:.0f} s")
    print(generator.comparison_text)
    others = read_corpus(column[options.train :][: 4 * COUNT]).smiles
    known = generator.model_.known_smiles
    others = [smiles for smiles in others if smiles not in known][: 2 * COUNT]
    reference, rest = others[:COUNT], others[COUNT:]
    found = generator.evaluate(others)
    per_fragment = found.predictions.sum(numeric_only=True)
    ours, theirs = per_fragment["nll"], per_fragment["nll_counts"]
    n = per_fragment["fragments"]
    print(
        f"nll of a fragment {ours / n:.3f}, of the counts {theirs / n:.3f} "
        f"({(ours - theirs) / n:+.3f}), {found.score.n:,} of {len(others):,} molecules"
    )
    distance = frechet_distance(reference)
    mols = [Chem.MolFromSmiles(smiles) for smiles in reference]
    prints = unpack_fingerprints(generator.model_.prints[:10_000])
    values = {}
    for name, smiles in {**draw(generator), "held out": rest}.items():
        quality = score_molecules(smiles, mols, known, prints)
        values[name] = np.nan if distance is None else distance(smiles)
        print(
            f"{name:<11} n {len(smiles):,} valid {quality.valid:.3f} unique "
            f"{quality.unique:.3f} novel {quality.novel:.3f} KL {quality.kl_score:.3f} "
            f"diversity {quality.diversity:.3f} scaffolds {quality.scaffolds:.3f} "
            f"nearest {quality.nearest:.3f} FCD {values[name]:.2f}"
        )
    floor = values["held out"]
    excess = (values["network"] - floor) / (values["counts"] - floor)
    print(f"FCD above the floor: {excess:.3f} of that of the counts")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("molecules")
    parser.add_argument("--train", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=None)
    return parser.parse_args()


if __name__ == "__main__":
    main()
