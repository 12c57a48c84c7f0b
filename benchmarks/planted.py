"""Planted errors: how many are found, and what correcting them gains.

Labels: a share of the labels of four fifths is changed at random. Reported are the
precision of as many suspected label errors as were planted, and the accuracy on the
remaining fifth of a linear probe fitted to the planted labels, to the labels after
somebody reviewed these suspects and corrected the wrong ones, and to the labels that
are proposed, without review.

Copies: images are added again unchanged, re-encoded, downscaled or cropped. Reported
are the share found, and the cross-validated score with and without them, with and
without keeping copies in one fold.

    python -m benchmarks.planted DIRECTORY WEIGHTS
"""

import io
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.measure import make_parser, print_result
from vicinal import ImageClassifier
from vicinal.core.data.splits import assign_folds
from vicinal.core.evaluation.label_issues import correct_labels, find_label_issues
from vicinal.core.objective import SingleLabel
from vicinal.core.training.linear_head import fit_head
from vicinal.core.training.regularization_path import cross_validate_head
from vicinal.images.training.linear_probe import compute_leaky_score, fit_linear_probe

PROPORTIONS = 0.05, 0.1
COPIES = 100
"""of each kind"""


def labels_row(
    name: str, x: np.ndarray, true: np.ndarray, share: float, seed: int
) -> dict[str, Any]:
    """Return one draw: precision of the suspects, and gains of correcting them."""
    rng = np.random.default_rng(seed)
    k, new = int(true.max()) + 1, rng.permutation(len(x)) < len(x) / 5
    objective = SingleLabel(tuple(map(str, range(k))))
    train_x, train_y = x[~new], true[~new]
    wrong = np.zeros(len(train_y), bool)
    wrong[rng.choice(len(train_y), round(share * len(train_y)), replace=False)] = True
    y = np.where(wrong, (train_y + rng.integers(1, k, len(train_y))) % k, train_y)
    fit = cross_validate_head(
        train_x, y, objective, assign_folds(y, folds=5, seed=seed)
    )
    predicted = objective.predict(fit.logits)
    suspects = find_label_issues(predicted, y, objective, train_x)
    top = [s.row for s in suspects[: wrong.sum()]]
    reviewed = y.copy()
    reviewed[top] = train_y[top]

    def score(labels: np.ndarray) -> float:
        head = fit_head(train_x, labels, objective, fit.head.penalty)
        return float((head.logits(x[new]).numpy().argmax(axis=1) == true[new]).mean())

    baseline = score(y)
    return {
        "data": f"{name}, {share:.0%} wrong",
        "precision": float(wrong[top].mean()),
        "accuracy, planted labels": baseline,
        "gain, reviewed": score(reviewed) - baseline,
        "gain, not reviewed": score(correct_labels(y, suspects)) - baseline,
        "gain, true labels": score(train_y) - baseline,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means and standard deviations over the draws."""
    names = [name for name in rows[0] if name != "data"]
    found: dict[str, Any] = {"data": rows[0]["data"], "n": len(rows)}
    for name in names:
        values = [row[name] for row in rows]
        found |= {name: statistics.mean(values), f"{name} sd": statistics.stdev(values)}
    return found


Change = Callable[[Path, np.random.Generator], bytes]


def _jpeg(image: Image.Image, quality: int = 90) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def downscaled(path: Path, _: np.random.Generator) -> bytes:
    image = Image.open(path)
    return _jpeg(image.resize((image.width * 6 // 10, image.height * 6 // 10)))


def cropped(path: Path, rng: np.random.Generator) -> bytes:
    """Crop a tenth of the width and of the height at random sides."""
    image = Image.open(path)
    wide, high = image.width * 9 // 10, image.height * 9 // 10
    left = int(rng.integers(0, image.width - wide + 1))
    top = int(rng.integers(0, image.height - high + 1))
    return _jpeg(image.crop((left, top, left + wide, top + high)))


CHANGES: dict[str, Change] = {
    "exact": lambda path, _: path.read_bytes(),
    "re-encoded": lambda path, _: _jpeg(Image.open(path), 60),
    "downscaled": downscaled,
    "cropped": cropped,
}


def copies_rows(directory: Path, weights: str, workspace: Path) -> list[dict[str, Any]]:
    """Return the share of planted copies that are found, and their effect on scores."""
    rng = np.random.default_rng(0)
    files = sorted(p for p in directory.resolve().glob("*/*") if p.is_file())
    for path in files:
        (workspace / path.parent.name).mkdir(exist_ok=True)
        (workspace / path.parent.name / path.name).symlink_to(path)
    without_copies, baseline = fit_probe(workspace, weights)
    chosen = rng.choice(len(files), COPIES * len(CHANGES), replace=False)
    planted: dict[str, tuple[str, str]] = {}
    for kind, rows in zip(CHANGES, chosen.reshape(len(CHANGES), -1), strict=True):
        for row in rows:
            path = files[row]
            copy = workspace / path.parent.name / f"copy-of-{path.name}"
            copy.write_bytes(CHANGES[kind](path, rng))
            planted[str(copy)] = kind, str(workspace / path.parent.name / path.name)
    model, after = fit_probe(workspace, weights)
    group = dict(zip(model["names"], model["groups"].tolist(), strict=True))
    rows = []
    for kind in CHANGES:
        pairs = [(c, o) for c, (k, o) in planted.items() if k == kind and c in group]
        found = [group[c] == group.get(o) for c, o in pairs]
        rows.append({"copies": kind, "n": len(pairs), "found": statistics.mean(found)})
    grouped = {
        frozenset((planted.get(a, ("", a))[1], planted.get(b, ("", b))[1]))
        for a, b in pairs_of(model)
    }
    near_duplicates = {frozenset(pair) for pair in pairs_of(without_copies)}
    wrong = [pair for pair in grouped - near_duplicates if len(pair) > 1]
    rows.append({"different images grouped by mistake": len(wrong)})
    return [*rows, {"without copies": baseline} | after]


def pairs_of(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return pairs of names in one group."""
    by_group: dict[int, list[str]] = {}
    for name, group in zip(found["names"], found["groups"].tolist(), strict=True):
        by_group.setdefault(group, []).append(name)
    return [
        (a, b) for names in by_group.values() for a in names for b in names if a < b
    ]


def fit_probe(directory: Path, weights: str) -> tuple[dict[str, Any], Any]:
    """Return names and groups of images, and the scores of the linear probe."""
    import warnings

    model = ImageClassifier(weights=weights, freeze="all", false_alarm_rate=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about images under two labels
        model.start_fit()
        images = model.load_images(directory)
    model.fit(images)
    result = {"names": images.table.names, "groups": images.groups}
    result["names"] = [str(directory / name) for name in images.table.names]
    objective, y = model.objective_, model.probe_.y
    leaky_score = compute_leaky_score(model.probe_, images.groups, objective, 0)
    score_with_groups = fit_linear_probe(
        model.probe_.features, images, y, objective, 0
    ).score
    return result, {
        "honest": score_with_groups.value,
        "leaky_score": leaky_score.value if leaky_score else None,
    }


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("directory", type=Path, help="a directory of images per class")
    parser.add_argument("weights", help="value of --weights")
    parser.add_argument("-n", type=int, default=5, help="draws")
    options = parser.parse_args()
    model = ImageClassifier(weights=options.weights, freeze="all", false_alarm_rate=0)
    model.fit(options.directory)
    digits: Any = load_digits()
    sets = {
        options.directory.name: (model.probe_.features, model.probe_.y),
        "digits": ((digits.data / 16).astype(np.float32), digits.target),
    }
    rows = [
        summary([labels_row(name, x, y, share, seed) for seed in range(options.n)])
        for name, (x, y) in sets.items()
        for share in PROPORTIONS
    ]
    with tempfile.TemporaryDirectory() as workspace:
        rows += copies_rows(options.directory, options.weights, Path(workspace))
    print_result({"claim": "planted labels and copies", "rows": rows}, options.json)


if __name__ == "__main__":
    main()
