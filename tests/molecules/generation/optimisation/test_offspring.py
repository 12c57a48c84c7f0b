"""Children are complete molecules; those that need many steps come a little later."""

import pytest
import torch
from rdkit import Chem

from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.grammar.growth import Growth
from vicinal.molecules.generation.model.extension import Extended
from vicinal.molecules.generation.optimisation.offspring import (
    UNFINISHED,
    Parent,
    Reproduction,
    Shares,
)
from vicinal.molecules.generation.sampling import Limits, Sampler

SMILES = [
    f"{a}c1ccc({b}{c})cc1"
    for a in ("C", "CO", "CCOC", "Cl")
    for b in ("OC", "C(=O)N", "NCC")
    for c in ("c2ccncc2", "c2ccc(OC)cc2", "C2CCN(C)CC2")
]


@pytest.fixture(scope="module")
def model() -> Extended:
    settings = {"min_count": 1, "network": "none", "minutes": None}
    return Extended(MoleculeGenerator(**settings).fit(SMILES).model_.counts, None)


def test_sampling_stops_when_few_are_left(model):
    first = [Growth(["*c1ccc(*)cc1"], [-1], [-1])] * 40
    for rest in (0, 10):
        sampler = Sampler(model.counts, limits=Limits())
        grown = sampler.grow(first, torch.Generator().manual_seed(0), rest)
        vocabulary = model.counts.vocabulary
        sites = [
            sum(vocabulary.num_sites[vocabulary.numbers[token]] for token in own.tokens)
            for own in grown
        ]
        num_open = [
            count - (len(own.tokens) - 1)
            for count, own in zip(sites, grown, strict=True)
        ]
        assert min(num_open) == 0
        assert 0 < sum(count > 0 for count in num_open) <= rest or rest == 0
        assert rest or not any(num_open)


def test_unfinished_molecules_grow_on_in_the_next_generation(model):
    reproduction = Reproduction(Shares(0, 0), Limits(), seed=0)
    parents = [Parent(Chem.MolFromSmiles(smiles)) for smiles in SMILES]
    given, found, waited = 0, [], 0
    for _ in range(20):
        found += reproduction.children(parents, 20, model)
        given += 20
        waiting = len(reproduction.unfinished)
        assert len(found) + waiting == given  # none is lost
        assert waiting <= UNFINISHED * (20 + waiting) + 1
        waited += waiting
    assert waited > 20
    texts = [Chem.MolToSmiles(mol) for mol in found]
    assert all(map(Chem.MolFromSmiles, texts)) and not any("*" in k for k in texts)
