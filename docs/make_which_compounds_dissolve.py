"""Make docs/which-compounds-dissolve.md and its drawing from runs on ESOL.

python docs/make_which_compounds_dissolve.py ESOL.csv
"""

import argparse
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from jinja2 import Template
from page_commands import printed_by, run_command

HERE = Path(__file__).parent.resolve()
PAGE = HERE / "which-compounds-dissolve.md"
TEMPLATE = HERE / "which-compounds-dissolve.md.jinja"
DRAWING = HERE / "images" / "decanol.svg"

SPLITS = {
    "scaffold": "molecules of one scaffold",
    "butina": "clusters of similar molecules",
    "random": "single compounds",
}
MOLECULES = ("CC(=O)Oc1ccccc1C(=O)O", "CCCCCCCCCCCCCCCC", "[Pt](Cl)(Cl)(N)N")
EXPLAINED = "CCCCCCCCCCO"


def format_number(score: dict[str, Any]) -> str:
    """Return a score with its interval."""
    value, low, high = (score[k] for k in ("value", "low", "high"))
    return f"{value:.2f} [{low:.2f}, {high:.2f}] (n = {score['n']:,})"


def interval_text(run: Path) -> str:
    """Return the sentence of the report on the prediction intervals."""
    text = (run / "report.txt").read_text(encoding="utf-8")
    found = re.search(r"^.* intervals contain .*$", text, re.MULTILINE)
    assert found is not None
    return found.group()


def main() -> None:
    """Run the commands in a directory of their own, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    source = parser.parse_args().data.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shutil.copy(source, "esol.csv")
        check = run_command("check", "esol.csv")
        checked = printed_by("check", "esol.csv")
        linear = run_command("train", "esol.csv", "--network", "none", "--out", "gp")
        run = run_command("train", "esol.csv", "--out", "runs/esol")
        predicted = printed_by("predict", "runs/esol", *MOLECULES)
        words = ("explain", "runs/esol", EXPLAINED, "--output", "decanol.svg")
        explained = printed_by(*words)
        intervals = interval_text(Path("runs/esol"))
        drawing = Path("decanol.svg").read_text(encoding="utf-8")
    comparison = run["comparison"]
    page = Template(TEMPLATE.read_text(encoding="utf-8")).render(
        check=check,
        checked=checked,
        linear=linear,
        run=run,
        predicted=predicted,
        explained=explained,
        intervals=intervals,
        number=format_number,
        split_names=SPLITS,
        verdict=f"paired permutation test of ranks, p = {comparison['p']:.1g}",
    )
    PAGE.write_text(page + "\n", encoding="utf-8")
    DRAWING.write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    main()
