"""Beside fastai: the same division, the same weights, one machine, one run.

fastai: its vision_learner's defaults around MobileNetV2's body, Resize(256) for a
picture, aug_transforms(size=224) for a batch of 64, fine_tune(3), then get_preds.
vicinal: `train --freeze all` up to the first answer, with empty caches (only the form
of the network is measured beforehand, once, as it is on a machine of one's own),
`train --minutes 10` as it comes, and `predict FOLDER --output CSV`, with decoding.

Imports count for neither. Ours are those of a process that imports the command's own
modules and ends; what is imported later, when it is needed, stays in our seconds.

The weights are TensorFlow's ('SAME' padding, input x / 127.5 - 1). fastai is no
dependency of the project: it takes an environment, apart from .venv, that has both.
Where torchvision's operators do not load beside a CPU-only torch, a module
torchvision_without_ops on PYTHONPATH, if there is one, is imported first.

    python -m benchmarks.beside_fastai DATA WEIGHTS [--minutes 10] [--pictures 150]
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.measure import Timing, in_turns, ratios, tell
from benchmarks.transfer import divided, emptied, run

TRAIN_MODULES = "vicinal.cli.app, vicinal.domains, vicinal.images.run"
PREDICT_MODULES = "vicinal.cli.app, vicinal.domains, vicinal.images.predict"

EPOCHS = 3
TIMES_FASTER, POINTS, PREDICT_TIMES = 40, 10, 4
"""What is wanted: of the first answer, of ten minutes, of predict."""


class Fastai(NamedTuple):
    """fastai's rival, fine-tuned."""

    vision: Any
    learner: Any
    row: dict[str, Any]

    def predict(self, folder: Path) -> None:
        """Probabilities for the pictures of a folder, decoding included."""
        files = self.vision.get_image_files(folder)
        with self.learner.no_bar():
            self.learner.get_preds(dl=self.learner.dls.test_dl(files))


def fastai(frame: pd.DataFrame, weights: Path, seed: int, place: Path) -> Fastai:
    """Fine-tune with fastai's defaults on the train rows; score on the test rows."""
    with contextlib.suppress(ImportError):
        import_module("torchvision_without_ops")
    # before vicinal, which says how torch's threads wait: fastai has torch's own way
    vision = import_module("fastai.vision.all")
    vision.set_seed(seed)
    batch_transforms = [
        *vision.aug_transforms(size=224),
        vision.Normalize.from_stats([0.5] * 3, [0.5] * 3),  # x / 127.5 - 1
    ]
    block = vision.DataBlock(
        blocks=(vision.ImageBlock, vision.CategoryBlock),
        get_x=vision.ColReader("path"),
        get_y=vision.ColReader("label"),
        splitter=vision.ColSplitter("is_test"),
        item_tfms=vision.Resize(256),
        batch_tfms=batch_transforms,
    )
    frame = frame.assign(is_test=frame["split"] == "test")
    loaders = block.dataloaders(frame, path=place)
    # as vision_learner does: its table has no row for this network, hence the cut
    body = vision.create_body(_network(weights), cut=-1)
    width = vision.num_features_model(body)
    learner = vision.Learner(
        loaders,
        vision.add_head(body, width, loaders.c),
        splitter=vision.default_split,
        metrics=vision.accuracy,
    )
    learner.freeze()
    with learner.no_bar(), learner.no_logging():
        started_at = time.perf_counter()
        learner.fine_tune(EPOCHS)
        tuned = time.perf_counter()
        _, accuracy = learner.validate()
        validated = time.perf_counter() - tuned
    row = {
        "name": f"fastai, fine_tune({EPOCHS})",
        "accuracy": float(accuracy),
        "n": len(loaders.valid_ds),
        "seconds": tuned - started_at,
        # fine_tune does this after each epoch, the frozen one included
        "of_which_validating": validated * (EPOCHS + 1),
    }
    return Fastai(vision, learner, row)


def _network(weights: Path) -> Any:
    """MobileNetV2 with the weights, padded as they were trained."""
    from safetensors.torch import load_file

    from vicinal.images.networks import build

    network = build("mobilenet_v2", num_classes=1000, padding="tensorflow")
    network.load_state_dict(load_file(weights), strict=True)
    return network


def import_seconds(modules: str, n: int) -> float:
    """The median seconds of a process that imports modules and ends."""
    command = [sys.executable, "-c", f"import {modules}"]
    work = {modules: lambda: subprocess.run(command, check=True)}
    return statistics.median(in_turns(work, n)[modules].seconds)


def first_answers(
    data: Path, weights: str, cache: Path, out: Path, n: int
) -> dict[str, Any]:
    """The frozen model's row: the median of n runs with empty caches."""
    frozen = ("--freeze", "all")
    run(data, weights, cache, out, *frozen)  # measures the network's form
    told = []
    for _ in range(n):
        emptied(cache)
        told.append(run(data, weights, cache, out, *frozen))
        print("first answer", told[-1]["first_seconds"], file=sys.stderr, flush=True)
    whole = statistics.median(one["first_seconds"] for one in told)
    imports = import_seconds(TRAIN_MODULES, n)
    return {
        "name": "vicinal, first answer",
        **_score(told[-1]),
        "seconds": whole - imports,
        "imports": imports,
        "least": min(one["first_seconds"] for one in told) - imports,
        "most": max(one["first_seconds"] for one in told) - imports,
        "run": told[-1]["run"],
    }


def tuned_within(
    minutes: str, data: Path, weights: str, cache: Path, out: Path
) -> dict[str, Any]:
    """The fine-tuned model's row; its seconds are all, imports and report included."""
    emptied(cache)
    told = run(data, weights, cache, out, "--minutes", minutes)
    name = f"vicinal, --minutes {minutes}"
    return {"name": name, **_score(told), "seconds": told["wall"], "run": told["run"]}


def _score(told: dict[str, Any]) -> dict[str, Any]:
    return {"accuracy": told["score"]["value"], "n": told["score"]["n"]}


def predict_rows(
    theirs: Fastai, model: str, folder: Path, cache: Path, out: Path, n: int
) -> list[dict[str, Any]]:
    """Pictures a second of both on a folder, in turns, and the ratio."""
    command = [sys.executable, "-m", "vicinal", "predict", model, str(folder)]
    command += ["--output", str(out / "answers.csv")]
    env = os.environ | {"VICINAL_CACHE": str(cache)}

    def ours() -> None:
        for name in ("pictures", "features"):  # so that they are decoded
            shutil.rmtree(cache / name, ignore_errors=True)
        subprocess.run(command, check=True, capture_output=True, env=env)

    count = sum(1 for _ in folder.iterdir())
    work = {"fastai": lambda: theirs.predict(folder), "vicinal": ours}
    times = in_turns(work, n, count)
    imports = import_seconds(PREDICT_MODULES, n)
    seconds = [value - imports for value in times["vicinal"].seconds]
    mine = Timing("vicinal, predict", seconds, count)
    other = Timing("fastai, get_preds", times["fastai"].seconds, count)
    beside = {"name": "predict, theirs over ours", **ratios(mine, other)}
    return [
        other.to_dict(),
        mine.to_dict() | {"imports": imports},
        beside | {"wanted": PREDICT_TIMES},
    ]


def copied(frame: pd.DataFrame, folder: Path) -> Path:
    """The test pictures in a folder of their own, without their labels."""
    folder.mkdir()
    for number, path in enumerate(frame.loc[frame["split"] == "test", "path"]):
        shutil.copy(path, folder / f"{number:05}{Path(path).suffix}")
    return folder


def division(data: Path, seed: int, pictures: int | None, out: Path) -> Path:
    """The CSV that both learn from: the one named, or a folder divided; or a part."""
    path = divided(data, seed, out) if data.is_dir() else data
    frame = pd.read_csv(path)
    if pictures is not None:
        frame = frame.sample(min(pictures, len(frame)), random_state=seed)
    place = path.resolve().parent  # a path in a CSV is relative to it
    frame["path"] = [str(place / name) for name in frame["path"]]
    path = out / "division.csv"
    frame.to_csv(path, index=False)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=Path, help="a CSV path,label,split, or a folder per class"
    )
    parser.add_argument("weights", type=Path, help="MobileNetV2's, trained by 'SAME'")
    parser.add_argument("--minutes", default="10", help="to fine-tune; 0: do not")
    parser.add_argument("--pictures", type=int, help="a random part of so many")
    parser.add_argument("--seed", type=int, default=0, help="of division and fastai")
    parser.add_argument("-n", type=int, default=3, help="repetitions of what is short")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    weights = str(options.weights.resolve())
    with tempfile.TemporaryDirectory() as place:
        out, cache = Path(place), Path(place) / "cache"
        data = division(options.data, options.seed, options.pictures, out)
        frame = pd.read_csv(data)
        first = first_answers(data, weights, cache, out, options.n)
        theirs = fastai(frame, Path(weights), options.seed, out)
        print(theirs.row, file=sys.stderr, flush=True)
        score = theirs.row["accuracy"]
        rows = [theirs.row, first]
        faster = {
            "name": "first answer, theirs over ours",
            "ratio": theirs.row["seconds"] / first["seconds"],
            "wanted": TIMES_FASTER,
        }
        better = [_points("first answer", first["accuracy"] - score, 0)]
        model = first["run"]
        if float(options.minutes):
            tuned = tuned_within(options.minutes, data, weights, cache, out)
            rows.append(tuned)
            gained = tuned["accuracy"] - score
            better.append(_points(f"--minutes {options.minutes}", gained, POINTS))
            model = tuned["run"]
        folder = copied(frame, out / "test")
        predicted = predict_rows(theirs, model, folder, cache, out, options.n)
    rows = [{k: v for k, v in row.items() if k != "run"} for row in rows]
    told = {
        "claim": f"transfer beside fastai {version('fastai')}, {options.data.name}, "
        f"{len(frame)} pictures, vicinal {version('vicinal')}",
        "ratio": faster["ratio"],
        "rows": [*rows, *predicted[:-1], faster, *better, predicted[-1]],
    }
    tell(told, options.json)


def _points(name: str, gained: float, wanted: float) -> dict[str, Any]:
    name = f"points, {name} less fastai's final"
    return {"name": name, "points": 100 * gained, "wanted": wanted}


if __name__ == "__main__":
    main()
