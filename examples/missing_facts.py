"""Missing facts of a small knowledge graph: the countries of the world."""

from pathlib import Path

from vicinal import TriplePredictor
from vicinal.knowledge.demo.countries import (
    country_triples,
    read_countries,
    split_by_pair,
    write_splits,
)

triples = country_triples(read_countries())  # such as (France, speaks, French)
table = split_by_pair(triples)
write_splits(table, Path("countries"))  # train.txt, valid.txt and test.txt

model = TriplePredictor(minutes=0.1, random_state=0).fit("countries")
print(model.evaluate())

answers = model.predict([["Austria", "member_of"]], top=10)
new = answers[~answers["known"].astype(bool)]  # known answers come first
print(new[["predicted", "probability"]].head(3))
print(*new["evidence"].head(3), sep="\n")

print(model.ask(["france", "borders", "?x", "and", "?x", "uses", "?"], top=5))
