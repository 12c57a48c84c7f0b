"""`vicinal demo knowledge`: facts about the countries of the world, without a download.

The graph is real and complete, so that predictions can be checked: some facts are
removed and asked for, and what else is predicted is an exception to a pattern.
"""

import time
from typing import Any

from vicinal.core.report.console import Console
from vicinal.knowledge.completion.predictor import TriplePredictor
from vicinal.knowledge.demo.countries import (
    Country,
    Triple,
    country_triples,
    read_countries,
    split_by_pair,
)

MINUTES = 0.1
"""time to train the embedding of this small graph"""

REMOVED: tuple[Triple, ...] = (
    ("Uruguay", "speaks", "Spanish"),
    ("Senegal", "uses", "West African CFA franc"),
    ("Estonia", "member_of", "NATO"),
    ("Zambia", "in_subregion", "Eastern Africa"),
    ("Austria", "in_subregion", "Western Europe"),
    ("Laos", "borders", "Vietnam"),
)
"""facts that the model is not given, one or two for each kind of question"""

QUESTIONS = (
    ("?", "in_subregion", "Northern Europe", "and", "?", "member_of", "NATO"),
    ("France", "borders", "?x", "and", "?x", "uses", "?"),
)
"""questions of several facts"""

EXCEPTIONS = {
    ("Albania", "European Union"): "it has applied",
    ("Austria", "NATO"): "it is neutral",
    ("Bulgaria", "OECD"): "it has applied",
    ("Burundi", "Commonwealth of Nations"): "it has applied",
    ("Croatia", "OECD"): "it has applied",
    ("Iceland", "European Union"): "it withdrew its application in 2015",
    ("Ireland", "NATO"): "it is neutral",
    ("Kosovo", "Council of Europe"): "it has applied",
    ("Mauritania", "ECOWAS"): "it left in 2000",
    ("Montenegro", "European Union"): "it has applied",
    ("North Macedonia", "European Union"): "it has applied",
    ("Norway", "European Union"): "two referendums were against it",
    ("Romania", "OECD"): "it has applied",
    ("Timor-Leste", "ASEAN"): "it has applied",
    ("Turkey", "European Union"): "it has applied",
    ("United Kingdom", "European Union"): "it left in 2020",
    ("Zimbabwe", "Commonwealth of Nations"): "it left in 2003",
}
"""what is known of memberships that are not in the table"""

MAX_ANSWERS, MAX_NEW, MAX_MISSING, MAX_RANK = 15, 3, 6, 50


def run_demo(console: Console, *, seeds: int = 1) -> dict[str, Any]:
    """Fit, score all models, and answer questions; return scores and answers."""
    started_at, countries = time.monotonic(), read_countries()
    triples = country_triples(countries)
    relations = dict.fromkeys(relation for _, relation, _ in triples)
    console.print(
        f"The countries of the world, 2024: {len(countries)} countries, "
        f"{len(triples):,} triples of {len(relations)} relations\n"
        f"({', '.join(relations)}).\n"
    )
    removed = {*REMOVED, *((t, r, h) for h, r, t in REMOVED if r == "borders")}
    table = split_by_pair([fact for fact in triples if fact not in removed])
    model = TriplePredictor(minutes=MINUTES, random_state=0).fit(table)
    models = _print_scores(model, console)
    answers = {
        "removed": _ask_removed(model, console),
        "several_facts": _ask_several(model, console),
        "missing": _find_missing(model, countries, console),
    }
    console.print(
        "\nNext, your own triples, with head, relation and tail in each line:\n"
        "  vicinal check triples.tsv            rows that cannot be used, and why\n"
        "  vicinal train triples.tsv            a tested model and a report\n"
        '  vicinal ask RUN HEAD RELATION "?"    answers with probabilities and reasons'
    )
    return {
        "score": model.evaluate().score.to_dict(),
        "models": models,
        "answers": answers,
        "seconds": round(time.monotonic() - started_at, 2),
    }


def _print_scores(model: TriplePredictor, console: Console) -> dict[str, float]:
    """Print the test MRR of each model; return it."""
    scores = model.model_.scores
    console.print(
        f"Test MRR ({len(scores.tested)} held-out triples, both ends asked; a border "
        "and its reverse\nare held out together):"
    )
    found = {name: float((1 / own).mean()) for name, own in scores.ranks.items()}
    for name, value in found.items():
        mark = "  <- answers" if name == scores.delivered else ""
        console.print(f"  {name:<12} {value:.3f}{mark}")
    return found


def _ask_removed(model: TriplePredictor, console: Console) -> list[dict[str, Any]]:
    """Ask for the facts that were removed, print and return the answers."""
    console.print("\nFacts that were removed, as questions, and the best new answer:")
    rows = []
    for head, relation, tail in REMOVED:
        frame = model.predict([(head, relation)], top=MAX_RANK)
        new = frame[~frame["known"].astype(bool)].to_dict("records")
        ranks = [k for k, row in enumerate(new, 1) if row["predicted"] == tail]
        best, rank = new[0], ranks[0] if ranks else None
        verdict = "right" if rank == 1 else f"{tail} has rank {rank}"
        console.print(
            f"  {head} {relation} ?  {best['predicted']}  {best['probability']:.2f}  "
            f"({verdict})\n      {best['evidence']}"
        )
        row = {"head": head, "relation": relation, "tail": tail, "rank": rank}
        rows.append({**row, **_plain(best)})
    return rows


def _ask_several(model: TriplePredictor, console: Console) -> list[dict[str, Any]]:
    """Ask questions of several facts, print and return the best answers."""
    found = []
    for words in QUESTIONS:
        question = " ".join(words)
        frame = model.ask(words, top=MAX_ANSWERS)
        rows = [_plain(row) for row in frame.to_dict("records")]
        new = [row for row in rows if not row["known"]][:MAX_NEW]
        rows = [row for row in rows if row["known"]] + new
        console.print(f"\n{question}")
        for row in rows:
            mark = "known" if row["known"] else f"{row['probability']:.2f}"
            text = f"  ({row['evidence']})" if row["evidence"] else ""
            console.print(f"  {mark:<5}  {row['predicted']}{text}")
        found += [{"question": question, **row} for row in rows]
    return found


def _find_missing(
    model: TriplePredictor, countries: list[Country], console: Console
) -> list[dict[str, Any]]:
    """Print and return the most probable memberships that are not in the table."""
    rows = []
    for country in countries:
        top = len(country.organizations) + 1
        frame = model.predict([(country.name, "member_of")], top=top)
        rows += [
            {"head": country.name, "relation": "member_of", **_plain(row)}
            for row in frame.to_dict("records")
            if not row["known"] and row["predicted"] not in country.organizations
        ]
    rows = sorted(rows, key=lambda row: -row["probability"])[:MAX_MISSING]
    console.print(
        "\nThe most probable memberships that are not in the table. It has them all, "
        "so these are\nexceptions to a pattern; in a table with gaps they would be "
        "what to look up first:"
    )
    for row in rows:
        note = EXCEPTIONS.get((row["head"], row["predicted"]))
        text = "" if note is None else f"  ({note})"
        console.print(
            f"  {row['probability']:.2f}  {row['head']}, {row['predicted']}{text}\n"
            f"      {row['evidence']}"
        )
    return rows


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of answers with the columns that all answers have."""
    return {
        "predicted": str(row["predicted"]),
        "probability": float(row["probability"]),
        "known": bool(row["known"]),
        "evidence": str(row["evidence"]),
    }
