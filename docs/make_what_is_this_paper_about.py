"""Make docs/what-is-this-paper-about.md and its plots from runs on Cora.

    python docs/make_what_is_this_paper_about.py CORA.npz

Writes two tables from the arrays of CORA.npz. One paper is left out of them and
predicted later as a new node.
"""

import argparse
import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Template
from page_commands import format_percentage, printed_by, run_command
from scipy.sparse import csr_matrix

HERE = Path(__file__).parent
PAGE = HERE / "what-is-this-paper-about.md"
TEMPLATE = HERE / "what-is-this-paper-about.md.jinja"
TREE_PLOT = HERE / "images" / "paper-tree.png"
EXPLANATION_PLOT = HERE / "images" / "paper-reasons.png"

SUBJECT_OF_SIZE = {
    818: "Neural networks",
    426: "Probabilistic methods",
    418: "Genetic algorithms",
    351: "Theory",
    298: "Case-based",
    217: "Reinforcement learning",
    180: "Rule learning",
}
"""Cora's subjects by their number of papers (Sen et al. 2008), all of which differ"""


def read_tables(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the papers and the citations of Cora as two tables."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    parts = (arrays[f"x_{name}"] for name in ("data", "indices", "indptr"))
    words = csr_matrix(tuple(parts), shape=tuple(arrays["x_shape"])).toarray() > 0
    y = arrays["y"]
    names = [SUBJECT_OF_SIZE[int(count)] for count in np.bincount(y)]
    nodes = pd.DataFrame({"id": [f"paper-{k}" for k in range(len(y))]})
    nodes["label"] = [names[k] for k in y]
    nodes["split"] = ""
    for split in ("train", "val", "test"):
        nodes.loc[arrays[split], "split"] = split
    columns = pd.DataFrame(
        words.astype(int), columns=[f"word-{k}" for k in range(words.shape[1])]
    )
    ends = nodes["id"].to_numpy()[arrays["edges"]]
    edges = pd.DataFrame({"source": ends[:, 0], "target": ends[:, 1]})
    return pd.concat([nodes, columns], axis=1), edges


def choose_new_paper(nodes: pd.DataFrame, edges: pd.DataFrame) -> str:
    """Return the first paper outside all splits that has four citations."""
    degree = pd.concat([edges["source"], edges["target"]]).value_counts()
    unused = nodes["id"][nodes["split"] == ""]
    return next(name for name in unused if degree[name] == 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cora", type=Path)
    cora = parser.parse_args().cora.resolve()
    nodes, edges = read_tables(cora)
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        page = render_page(nodes, edges, choose_new_paper(nodes, edges))
    PAGE.write_text(page, encoding="utf-8")
    print(f"wrote {PAGE}, {TREE_PLOT} and {EXPLANATION_PLOT}")


def render_page(nodes: pd.DataFrame, edges: pd.DataFrame, paper: str) -> str:
    """Run all commands in the current directory and return the page."""
    row = nodes[nodes["id"] == paper]
    is_cited = (edges["source"] == paper) | (edges["target"] == paper)
    Path("cora").mkdir()
    nodes[nodes["id"] != paper].to_csv("cora/nodes.csv", index=False)
    edges[~is_cited].to_csv("cora/edges.csv", index=False)
    row.drop(columns=["label", "split"]).to_csv("new.csv", index=False)
    edges[is_cited].to_csv("cited.csv", index=False)
    check = printed_by("check", "cora")
    linear = run_command("train", "cora", "--network", "none", "--out", "linear")
    run = run_command("train", "cora", "--out", "papers")
    one_gcn = "--network gcn --ensemble-size 1 --keep network --minutes 8".split()
    gcn = run_command("train", "cora", *one_gcn, "--out", "gcn")
    new = ("--new-nodes", "new.csv", "--new-edges", "cited.csv")
    explained = printed_by("explain", "gcn", paper, *new, "--output", "reasons.png")
    EXPLANATION_PLOT.write_bytes(Path("reasons.png").read_bytes())
    tree = run_command("inspect", "gcn", paper, *new, "--output", "tree.png")
    TREE_PLOT.write_bytes(Path("tree.png").read_bytes())
    template = Template(TEMPLATE.read_text(encoding="utf-8"), trim_blocks=True)
    return template.render(
        paper=paper,
        subject=row["label"].iloc[0],
        num_citations=int(is_cited.sum()),
        check="\n".join(check.splitlines()[:7]),
        linear=linear,
        run=run,
        gcn=gcn,
        prediction=run_command("predict", "papers", *new)["predictions"][0],
        gcn_prediction=run_command("predict", "gcn", *new)["predictions"][0],
        explained=explained,
        max_error=tree["max_error"],
        format_score=format_percentage,
    )


if __name__ == "__main__":
    main()
