"""Makes docs/sorting-the-recycling.md and its drawings from runs on TrashNet.

    python docs/make_sorting_the_recycling.py TRASHNET WEIGHTS [--minutes 10]
        [--frozen RUN] [--tuned RUN]

TRASHNET is a folder per class; WEIGHTS what --weights takes. Runs that are there
already may be named, so that they are not made again.
"""

import argparse
import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Template
from matplotlib.figure import Figure

from vicinal.cli.app import main as vicinal

HERE = Path(__file__).parent
PAGE = HERE / "sorting-the-recycling.md"
TEMPLATE = HERE / "sorting-the-recycling.md.jinja"
BLUE, GREY = "#2563a8", "#8a8f98"


def said(*words: str) -> dict[str, Any]:
    """What a verb says with --json."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert vicinal([*words, "--json"]) == 0
    return json.loads(out.getvalue())


def share(score: dict[str, Any]) -> str:
    value, low, high = (100 * score[k] for k in ("value", "low", "high"))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}] (n = {score['n']:,})"


def draw_confusion(told: dict[str, Any], path: Path) -> None:
    counts = np.array(told["confusion"])
    names = [row["class"] for row in told["classes"]]
    sheet = Figure(figsize=(4.6, 4), layout="constrained")
    axes = sheet.subplots()
    axes.imshow(
        counts / counts.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1
    )
    for row, column in np.ndindex(*counts.shape):
        dark = counts[row, column] > counts[row].sum() / 2
        colour = "white" if dark else "black"
        text = str(counts[row, column])
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("what the model said")
    axes.set_ylabel("what it is")
    sheet.savefig(path, dpi=110)


def draw_time(tuned: dict[str, Any], run: Path, path: Path) -> None:
    """Validation accuracy against the seconds that fine-tuning has taken."""
    history = pd.read_csv(run / "metrics.csv")
    seconds = history["seconds"].cumsum()
    sheet = Figure(figsize=(5.2, 3), layout="constrained")
    axes = sheet.subplots()
    axes.plot(seconds, 100 * history["val_score"], color=BLUE, label="fine-tuning")
    nothing, first = (row for row in tuned["bought"][:2])
    for row, mark in ((first, "o"), (nothing, "s")):
        value = 100 * row["score"]["value"]
        axes.plot(row["seconds"], value, mark, color=GREY, label=row["how"])
    axes.set_xlabel("seconds")
    axes.set_ylabel("right on the validation part, percent")
    axes.legend(frameon=False, fontsize=9)
    sheet.savefig(path, dpi=110)


def confused(told: dict[str, Any], most: int = 3) -> str:
    counts = np.array(told["confusion"])
    names = [row["class"] for row in told["classes"]]
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    order = np.argsort(-wrong, axis=None)[:most]
    pairs = [np.unravel_index(k, wrong.shape) for k in order]
    return ", ".join(
        f"{names[i]} taken for {names[j]} ({wrong[i, j]})" for i, j in pairs
    )


def line_with(run: Path, words: str) -> str:
    """The line of a run's report that holds some words."""
    lines = (run / "report.txt").read_text(encoding="utf-8").splitlines()
    text = " ".join(line.strip() for line in lines)
    start = text.index(words)
    end = text.find("  ", start)
    return text[start : end if end > 0 else start + 600].strip()


def weakest(told: dict[str, Any]) -> dict[str, Any]:
    return min(told["classes"], key=lambda row: row["recall"])


def values(
    found: dict[str, Any], frozen: dict[str, Any], tuned: dict[str, Any], minutes: str
) -> dict[str, Any]:
    """What the page's template needs."""
    first = Path(frozen["run"])
    suspects = pd.read_csv(first / "suspects.csv")
    wrong = suspects[suspects["kind"] == "label"]
    return {
        "minutes": minutes,
        "found": found,
        "frozen": frozen,
        "tuned": tuned,
        "nothing": tuned["bought"][0],
        "own": tuned["bought"][1],
        "share": share,
        "confused": confused(tuned),
        "hardest": weakest(tuned),
        "suspects": wrong.head(8).to_dict("records"),
        "wrong": len(wrong),
        "ambiguous": len(suspects) - len(wrong),
        "more": line_with(first, "With "),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("weights")
    parser.add_argument("--minutes", default="10")
    parser.add_argument("--frozen", help="a run with --freeze all that is there")
    parser.add_argument("--tuned", help="a run with --minutes that is there")
    options = parser.parse_args()
    start = ["train", options.folder, "--weights", options.weights]
    with tempfile.TemporaryDirectory() as place:
        told = []
        plans = {
            "frozen": (options.frozen, ["--freeze", "all"]),
            "tuned": (options.tuned, ["--minutes", options.minutes]),
        }
        for name, (there, words) in plans.items():
            if there is None:
                said(*start, *words, "--out", f"{place}/{name}")
            run = Path(there or f"{place}/{name}")
            found = json.loads((run / "metrics.json").read_text())
            told.append({**found, "run": str(run), "first_seconds": found["seconds"]})
        aside = pd.read_csv(Path(told[0]["run"]) / "data" / "quarantine.csv")
        index = pd.read_csv(Path(told[0]["run"]) / "data" / "index.csv")
        found = {
            "pictures": len(index),
            "usable": len(index) - len(aside),
            "aside": len(aside),
            "why": aside["reason"].str.split(":").str[0].value_counts().index[0],
        }
        (HERE / "images").mkdir(exist_ok=True)
        draw_confusion(told[1], HERE / "images" / "recycling-confusion.png")
        time_drawing = HERE / "images" / "recycling-time.png"
        draw_time(told[1], Path(told[1]["run"]), time_drawing)
        frozen, tuned = told
        template = Template(TEMPLATE.read_text(), keep_trailing_newline=True)
        text = template.render(values(found, frozen, tuned, options.minutes))
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
