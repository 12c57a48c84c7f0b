"""Make docs/three-prescriptions.md from a run on the Decagon graph.

python docs/make_three_prescriptions.py INTERACTIONS

INTERACTIONS: a directory with decagon.npz (M. Zitnik et al., Bioinformatics 2018:
`dd_edges` [2, N], `dd_type` [N], `dp_edges` and `mono`), drugs.csv (id, smiles) and
side_effects.csv (type, name), the rows of which are the numbers in the former.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Template
from page_commands import printed_by, run_command

HERE = Path(__file__).parent.resolve()
PAGE = HERE / "three-prescriptions.md"
TEMPLATE = HERE / "three-prescriptions.md.jinja"

NAMES = {
    "CID000002244": "aspirin",
    "CID000003672": "ibuprofen",
    "CID000006691": "warfarin",
    "CID000004594": "omeprazole",
    "CID000054454": "simvastatin",
    "CID000004091": "metformin",
    "CID000002162": "amlodipine",
    "CID000003386": "fluoxetine",
    "CID000004171": "metoprolol",
    "CID000005090": "rofecoxib",
}
"""names of the drugs of the prescriptions; the others keep their numbers"""

ETORICOXIB = "Cc1ccc(cn1)-c1ncc(Cl)cc1-c1ccc(cc1)S(C)(=O)=O"
PRESCRIPTIONS = (
    ["aspirin", "warfarin"],
    ["simvastatin", "amlodipine", "metformin", "omeprazole"],
    ["warfarin", ETORICOXIB],
)
MIN_PAIRS = "500"


def write_tables(source: Path) -> None:
    """Write interactions.csv and drugs.csv into the current directory."""
    drugs = pd.read_csv(source / "drugs.csv")
    names = np.array([NAMES.get(name, name) for name in drugs["id"]], object)
    effects = pd.read_csv(source / "side_effects.csv")["name"].to_numpy(object)
    with np.load(source / "decagon.npz") as graph:
        pairs, kinds = graph["dd_edges"], graph["dd_type"]
        targets, alone = graph["dp_edges"], graph["mono"]
    columns = dict(zip(("drug_1", "drug_2"), names[pairs], strict=True))
    table = pd.DataFrame({**columns, "effect": effects[kinds]})
    table.to_csv("interactions.csv", index=False)
    known = pd.DataFrame({"id": names, "smiles": drugs["smiles"]})
    for column, (rows, values) in (("targets", targets), ("effects", alone)):
        own = pd.Series(values.astype(str)).groupby(names[rows]).agg("|".join)
        known[column] = known["id"].map(own)
    known.to_csv("drugs.csv", index=False)


def situation_table(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each situation and model, with both kinds of negatives."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for each in run["situations"]:
        features = ", ".join(each["features"]).replace("_", " ")
        key = each["situation"], features, each["model"]
        name = "vicinal" if each["model"] == "combination" else each["model"]
        row = rows.setdefault(key, {"situation": key[0], "features": features})
        row |= {"model": name, each["negatives"]: each["auroc"]}
    return list(rows.values())


def main() -> None:
    """Run the commands in a directory of their own, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    source = parser.parse_args().data.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_tables(source)
        data = "interactions.csv", "--drugs", "drugs.csv"
        checked = printed_by("check", *data)
        run = run_command("train", *data, "--min-pairs", MIN_PAIRS, "--out", "run")
        predicted = [
            printed_by("predict", "run", *drugs, "--top", top, *more)
            for drugs, top, *more in (
                (PRESCRIPTIONS[0], "3"),
                (PRESCRIPTIONS[0], "8", "--new"),
                (PRESCRIPTIONS[1], "8", "--new"),
                (PRESCRIPTIONS[2], "8"),
            )
        ]
        explained = printed_by("explain", "run", *PRESCRIPTIONS[1])
    page = Template(TEMPLATE.read_text(encoding="utf-8")).render(
        checked=checked,
        run=run,
        rows=situation_table(run),
        predicted=predicted,
        explained=explained,
    )
    PAGE.write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
