"""Makes docs/what-is-this-paper-about.md and its drawings from runs on Cora.

    python docs/make_what_is_this_paper_about.py CORA.npz

The two tables that everything begins with are written from the arrays of CORA.npz; one
paper is left out of them, and comes later.
"""

import argparse
import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Template
from scipy.sparse import csr_matrix

from vicinal.cli.app import main as vicinal

HERE = Path(__file__).parent
PAGE = HERE / "what-is-this-paper-about.md"
TEMPLATE = HERE / "what-is-this-paper-about.md.jinja"
DRAWING = HERE / "images" / "paper-tree.png"
REASONS = HERE / "images" / "paper-reasons.png"

SIZES = {
    818: "Neural networks",
    426: "Probabilistic methods",
    418: "Genetic algorithms",
    351: "Theory",
    298: "Case-based",
    217: "Reinforcement learning",
    180: "Rule learning",
}
"""Cora's subjects by their number of papers (Sen et al. 2008); no two are alike"""


def tables(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Papers and citations of Cora, as two tables."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    parts = (arrays[f"x_{name}"] for name in ("data", "indices", "indptr"))
    words = csr_matrix(tuple(parts), shape=tuple(arrays["x_shape"])).toarray() > 0
    y = arrays["y"]
    names = [SIZES[int(count)] for count in np.bincount(y)]
    nodes = pd.DataFrame({"id": [f"paper-{k}" for k in range(len(y))]})
    nodes["label"] = [names[k] for k in y]
    nodes["split"] = ""
    for part in ("train", "val", "test"):
        nodes.loc[arrays[part], "split"] = part
    columns = pd.DataFrame(
        words.astype(int), columns=[f"word-{k}" for k in range(words.shape[1])]
    )
    ends = nodes["id"].to_numpy()[arrays["edges"]]
    edges = pd.DataFrame({"source": ends[:, 0], "target": ends[:, 1]})
    return pd.concat([nodes, columns], axis=1), edges


def said(*words: str) -> dict[str, Any]:
    """What a verb says with --json."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert vicinal([*words, "--json"]) == 0
    return json.loads(out.getvalue())


def told(*words: str) -> str:
    """What a verb says to a reader."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert vicinal([*words]) == 0
    return out.getvalue().rstrip()


def share(score: dict[str, Any]) -> str:
    value, low, high = (100 * score[k] for k in ("value", "low", "high"))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}] (n = {score['n']:,})"


def newcomer(nodes: pd.DataFrame, edges: pd.DataFrame) -> str:
    """The first paper that is in no part and has four citations: it comes later."""
    degree = pd.concat([edges["source"], edges["target"]]).value_counts()
    free = nodes["id"][nodes["split"] == ""]
    return next(name for name in free if degree[name] == 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cora", type=Path)
    cora = parser.parse_args().cora.resolve()
    nodes, edges = tables(cora)
    late = newcomer(nodes, edges)
    of_it = (edges["source"] == late) | (edges["target"] == late)
    row = nodes[nodes["id"] == late]
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            page = made(nodes, edges, late, row, of_it)
        finally:
            os.chdir(here)
    PAGE.write_text(page, encoding="utf-8")
    print(f"made {PAGE}, {DRAWING} and {REASONS}")


def made(
    nodes: pd.DataFrame,
    edges: pd.DataFrame,
    late: str,
    row: pd.DataFrame,
    of_it: pd.Series,
) -> str:
    Path("cora").mkdir()
    nodes[nodes["id"] != late].to_csv("cora/nodes.csv", index=False)
    edges[~of_it].to_csv("cora/edges.csv", index=False)
    row.drop(columns=["label", "split"]).to_csv("new.csv", index=False)
    edges[of_it].to_csv("cited.csv", index=False)
    checked = told("check", "cora")
    first = said("train", "cora", "--network", "none", "--out", "first")
    run = said("train", "cora", "--out", "papers")
    one = said("train", "cora", "--network", "gcn", "--members", "1", "--deliver",
               "networks", "--out", "gcn")  # fmt: skip
    came = ("--new-nodes", "new.csv", "--new-edges", "cited.csv")
    answer = said("predict", "papers", *came)["predictions"][0]
    by_gcn = said("predict", "gcn", *came)["predictions"][0]
    explained = told("explain", "gcn", late, *came, "--output", "reasons.png")
    REASONS.write_bytes(Path("reasons.png").read_bytes())
    drawn = said("inspect", "gcn", late, *came, "--output", "tree.png")
    DRAWING.write_bytes(Path("tree.png").read_bytes())
    lines = checked.splitlines()
    template = Template(TEMPLATE.read_text(encoding="utf-8"), trim_blocks=True)
    return template.render(
        late=late,
        truth=row["label"].iloc[0],
        citations=int(of_it.sum()),
        checked="\n".join(lines[:6]),
        first=first,
        run=run,
        gcn=one,
        answer=answer,
        by_gcn=by_gcn,
        explained=explained,
        off=drawn["off"],
        share=share,
    )


if __name__ == "__main__":
    main()
