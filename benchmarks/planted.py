"""Errors that were planted, and what is found of them.

Labels: a share of the labels of four fifths is made wrong at random. Of as many
suspects as were planted, how many are; and how good a head is on the fifth that was
left alone, when it learns from the planted labels, from those after somebody has looked
at that many suspects and put the wrong ones right, and from what is proposed without
looking.

Copies: pictures are added once more, as they are, encoded anew, made smaller, trimmed;
how many are found to be copies, and the cross-validated score with and without them,
when copies stay on one side and when they do not.

    python -m benchmarks.planted FOLDER WEIGHTS
"""

import argparse
import io
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.measure import tell
from vicinal import ImageClassifier
from vicinal.core.data.splits import deal
from vicinal.core.evaluation.label_issues import corrected, find_suspects
from vicinal.core.objective import SingleLabel
from vicinal.core.training.linear_head import cross_fit, fit_head
from vicinal.images.training.linear_probe import fit_probe, naive_score

SHARES = 0.05, 0.1
COPIES = 100
"""of each kind"""


def labels_row(
    name: str, x: np.ndarray, true: np.ndarray, share: float, seed: int
) -> dict[str, Any]:
    """One draw: what is found of the wrong labels, and what putting right brings."""
    rng = np.random.default_rng(seed)
    k, new = int(true.max()) + 1, rng.permutation(len(x)) < len(x) / 5
    objective = SingleLabel(tuple(map(str, range(k))))
    known, right = x[~new], true[~new]
    wrong = np.zeros(len(right), bool)
    wrong[rng.choice(len(right), round(share * len(right)), replace=False)] = True
    y = np.where(wrong, (right + rng.integers(1, k, len(right))) % k, right)
    fit = cross_fit(known, y, objective, deal(y, folds=5, seed=seed))
    said = objective.predict(fit.logits)
    suspects = find_suspects(said, y, objective, known)
    first = [s.row for s in suspects[: wrong.sum()]]
    looked = y.copy()
    looked[first] = right[first]

    def score(labels: np.ndarray) -> float:
        head = fit_head(known, labels, objective, fit.head.penalty)
        return float((head.logits(x[new]).numpy().argmax(axis=1) == true[new]).mean())

    before = score(y)
    return {
        "data": f"{name}, {share:.0%} wrong",
        "precision": float(wrong[first].mean()),
        "planted": before,
        "looked gain": score(looked) - before,
        "unseen gain": score(corrected(y, suspects)) - before,
        "true gain": score(right) - before,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the draws, and their standard deviations."""
    names = [name for name in rows[0] if name != "data"]
    found: dict[str, Any] = {"data": rows[0]["data"], "n": len(rows)}
    for name in names:
        values = [row[name] for row in rows]
        found |= {name: statistics.mean(values), f"{name} sd": statistics.stdev(values)}
    return found


Change = Callable[[Path, np.random.Generator], bytes]


def _jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def smaller(path: Path, _: np.random.Generator) -> bytes:
    picture = Image.open(path)
    return _jpeg(picture.resize((picture.width * 6 // 10, picture.height * 6 // 10)))


def trimmed(path: Path, rng: np.random.Generator) -> bytes:
    """Without a tenth of the width and of the height, at random sides."""
    picture = Image.open(path)
    wide, high = picture.width * 9 // 10, picture.height * 9 // 10
    left = int(rng.integers(0, picture.width - wide + 1))
    top = int(rng.integers(0, picture.height - high + 1))
    return _jpeg(picture.crop((left, top, left + wide, top + high)))


CHANGES: dict[str, Change] = {
    "exact": lambda path, _: path.read_bytes(),
    "encoded anew": lambda path, _: _jpeg(Image.open(path), 60),
    "smaller": smaller,
    "trimmed": trimmed,
}


def copies_rows(folder: Path, weights: str, place: Path) -> list[dict[str, Any]]:
    """What is found of planted copies, and what they do to the score."""
    rng = np.random.default_rng(0)
    files = sorted(p for p in folder.resolve().glob("*/*") if p.is_file())
    for path in files:
        (place / path.parent.name).mkdir(exist_ok=True)
        (place / path.parent.name / path.name).symlink_to(path)
    alone, before = opened(place, weights)
    chosen = rng.choice(len(files), COPIES * len(CHANGES), replace=False)
    planted: dict[str, tuple[str, str]] = {}
    for kind, rows in zip(CHANGES, chosen.reshape(len(CHANGES), -1), strict=True):
        for row in rows:
            path = files[row]
            copy = place / path.parent.name / f"copy-of-{path.name}"
            copy.write_bytes(CHANGES[kind](path, rng))
            planted[str(copy)] = kind, str(place / path.parent.name / path.name)
    model, after = opened(place, weights)
    group = dict(zip(model["names"], model["groups"].tolist(), strict=True))
    rows = []
    for kind in CHANGES:
        pairs = [(c, o) for c, (k, o) in planted.items() if k == kind and c in group]
        found = [group[c] == group.get(o) for c, o in pairs]
        rows.append({"copies": kind, "n": len(pairs), "found": statistics.mean(found)})
    joined = {
        frozenset((planted.get(a, ("", a))[1], planted.get(b, ("", b))[1]))
        for a, b in pairs_of(model)
    }
    known = {frozenset(pair) for pair in pairs_of(alone)}
    wrong = [pair for pair in joined - known if len(pair) > 1]
    rows.append({"originals joined that were apart before": len(wrong)})
    return [*rows, {"without copies": before} | after]


def pairs_of(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of names in one group."""
    by_group: dict[int, list[str]] = {}
    for name, group in zip(found["names"], found["groups"].tolist(), strict=True):
        by_group.setdefault(group, []).append(name)
    return [
        (a, b) for names in by_group.values() for a in names for b in names if a < b
    ]


def opened(folder: Path, weights: str) -> tuple[dict[str, Any], Any]:
    """Names and groups of a folder's pictures, and the scores of its first answer."""
    import warnings

    model = ImageClassifier(weights=weights, freeze="all", false_alarm=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pictures under two labels
        model.quarantine_ = []
        pictures = model.open(folder)
    model.fit(pictures)
    told = {"names": pictures.table.names, "groups": pictures.together}
    told["names"] = [str(folder / name) for name in pictures.table.names]
    objective, y = model.objective_, model.probe_.y
    leaky_score = naive_score(model.probe_, pictures.together, objective, 0)
    own = fit_probe(model.probe_.features, pictures, y, objective, 0).score
    return told, {
        "honest": own.value,
        "leaky_score": leaky_score.value if leaky_score else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of pictures per class")
    parser.add_argument("weights", help="what --weights takes")
    parser.add_argument("-n", type=int, default=5, help="draws")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    model = ImageClassifier(weights=options.weights, freeze="all", false_alarm=0)
    model.fit(options.folder)
    digits: Any = load_digits()
    sets = {
        options.folder.name: (model.probe_.features, model.probe_.y),
        "digits": ((digits.data / 16).astype(np.float32), digits.target),
    }
    rows = [
        summary([labels_row(name, x, y, share, seed) for seed in range(options.n)])
        for name, (x, y) in sets.items()
        for share in SHARES
    ]
    with tempfile.TemporaryDirectory() as place:
        rows += copies_rows(options.folder, options.weights, Path(place))
    tell({"claim": "planted labels and copies", "rows": rows}, options.json)


if __name__ == "__main__":
    main()
