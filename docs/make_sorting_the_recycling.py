"""Make docs/sorting-the-recycling.md and its plots from runs on TrashNet.

    python docs/make_sorting_the_recycling.py TRASHNET WEIGHTS [--minutes 10]
        [--frozen RUN] [--tuned RUN]

TRASHNET is a directory with a subdirectory per class, WEIGHTS what --weights takes.
Existing runs can be given, so that they are not repeated.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Template
from matplotlib.figure import Figure
from page_commands import format_percentage, run_command

HERE = Path(__file__).parent
PAGE = HERE / "sorting-the-recycling.md"
TEMPLATE = HERE / "sorting-the-recycling.md.jinja"
CONFUSION_PLOT = HERE / "images" / "recycling-confusion.png"
TIME_PLOT = HERE / "images" / "recycling-time.png"
BLUE, GREY = "#2563a8", "#8a8f98"


def plot_confusion(metrics: dict[str, Any], path: Path) -> None:
    """Plot the confusion matrix."""
    counts = np.array(metrics["confusion"])
    names = [row["class"] for row in metrics["classes"]]
    figure = Figure(figsize=(4.6, 4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(
        counts / counts.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1
    )
    for row, column in np.ndindex(*counts.shape):
        dark = counts[row, column] > counts[row].sum() / 2
        color = "white" if dark else "black"
        text = str(counts[row, column])
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    figure.savefig(path, dpi=110)


def plot_time(metrics: dict[str, Any], run: Path, path: Path) -> None:
    """Plot the validation accuracy against the seconds of fine-tuning."""
    history = pd.read_csv(run / "metrics.csv")
    seconds = history["seconds"].cumsum()
    figure = Figure(figsize=(5.2, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(seconds, 100 * history["val_score"], color=BLUE, label="fine-tuning")
    scratch, probe = metrics["scratch_comparison"][:2]
    for row, marker in ((probe, "o"), (scratch, "s")):
        value = 100 * row["score"]["value"]
        axes.plot(row["seconds"], value, marker, color=GREY, label=row["method"])
    axes.set_xlabel("seconds")
    axes.set_ylabel("validation accuracy, percent")
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)


def most_frequent_errors(metrics: dict[str, Any], count: int = 3) -> str:
    """Return the most frequent errors in words."""
    counts = np.array(metrics["confusion"])
    names = [row["class"] for row in metrics["classes"]]
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    order = np.argsort(-wrong, axis=None)[:count]
    pairs = [np.unravel_index(k, wrong.shape) for k in order]
    return ", ".join(
        f"{names[i]} predicted as {names[j]} ({wrong[i, j]})" for i, j in pairs
    )


def learning_curve_sentence(run: Path) -> str:
    """Return the sentence of a run's report on the score with more images."""
    lines = (run / "report.txt").read_text(encoding="utf-8").splitlines()
    text = " ".join(line.strip() for line in lines)
    start = text.index("Expected ")
    end = text.find("  ", start)
    return text[start : end if end > 0 else start + 600].strip()


def template_values(
    data: dict[str, Any], frozen: dict[str, Any], tuned: dict[str, Any], minutes: str
) -> dict[str, Any]:
    """Return what the page's template needs."""
    issues = pd.read_csv(Path(frozen["run"]) / "label_issues.csv")
    label_errors = issues[issues["kind"] == "label"]
    return {
        "minutes": minutes,
        "data": data,
        "frozen": frozen,
        "tuned": tuned,
        "scratch": tuned["scratch_comparison"][0],
        "probe": tuned["scratch_comparison"][1],
        "format_score": format_percentage,
        "errors": most_frequent_errors(tuned),
        "weakest": min(tuned["classes"], key=lambda row: row["recall"]),
        "issues": label_errors.head(8).to_dict("records"),
        "num_label_errors": len(label_errors),
        "num_ambiguous": len(issues) - len(label_errors),
        "learning_curve": learning_curve_sentence(Path(frozen["run"])),
    }


def count_data(run: Path) -> dict[str, Any]:
    """Return how many images there are, and how many are quarantined and why."""
    quarantine = pd.read_csv(run / "data" / "quarantine.csv")
    index = pd.read_csv(run / "data" / "index.csv")
    reasons = quarantine["reason"].str.split(":").str[0].value_counts()
    return {
        "images": len(index),
        "usable": len(index) - len(quarantine),
        "quarantined": len(quarantine),
        "reason": reasons.index[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("weights")
    parser.add_argument("--minutes", default="10")
    parser.add_argument("--frozen", help="an existing run with --freeze all")
    parser.add_argument("--tuned", help="an existing run with --minutes")
    options = parser.parse_args()
    start = ["train", options.data, "--weights", options.weights]
    flags = {"frozen": ["--freeze", "all"], "tuned": ["--minutes", options.minutes]}
    metrics: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, more in flags.items():
            run = getattr(options, name)
            if run is None:
                run = f"{directory}/{name}"
                run_command(*start, *more, "--out", run)
            text = (Path(run) / "metrics.json").read_text(encoding="utf-8")
            metrics[name] = {**json.loads(text), "run": run}
        frozen, tuned = metrics["frozen"], metrics["tuned"]
        data = count_data(Path(frozen["run"]))
        plot_confusion(tuned, CONFUSION_PLOT)
        plot_time(tuned, Path(tuned["run"]), TIME_PLOT)
        template = Template(
            TEMPLATE.read_text(encoding="utf-8"), keep_trailing_newline=True
        )
        values = template_values(data, frozen, tuned, options.minutes)
        PAGE.write_text(template.render(values), encoding="utf-8")


if __name__ == "__main__":
    main()
