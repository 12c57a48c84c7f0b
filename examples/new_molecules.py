"""New molecules from the fragments of known ones."""

from vicinal import MoleculeGenerator

ends = ["C", "CC", "CO", "N", "F", "Cl", "CN", "CCO"]
middles = ["OC", "C(=O)N", "NC", "S(=O)(=O)N"]
rings = ["c2ccncc2", "c2ccccc2", "C2CCNCC2", "c2cccs2"]
molecules = [f"{a}c1ccc({b}{c})cc1" for a in ends for b in middles for c in rings]

generator = MoleculeGenerator(epochs=2, hidden=32).fit(molecules)
print(generator.sample(3, unique=True, novel=True))
print(generator.grow("c1ccc(*)cc1", 3))
print(generator.optimise("qed", budget=200).smiles[0])
