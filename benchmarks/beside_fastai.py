"""Transfer learning compared with fastai: same split, weights and machine, in one run.

fastai: the defaults of vision_learner around MobileNetV2's body, Resize(256) per image,
aug_transforms(size=224) for batches of 64, fine_tune(3), then get_preds. vicinal:
`train --freeze all` up to the linear probe, with empty caches (only the runtime of the
network is measured beforehand, once, as on a user's machine), `train --minutes 10` with
defaults, and `predict DIRECTORY --output CSV`, decoding included.

Import times do not count for either. Ours are those of a process that imports the
command's modules and ends; later imports stay in our seconds.

The weights are TensorFlow's ('SAME' padding, input x / 127.5 - 1). fastai is not a
dependency of the project: the benchmark needs a separate environment with both. Where
torchvision's operators do not load with a CPU-only torch, a module
torchvision_without_ops on PYTHONPATH is imported first if there is one.

    python -m benchmarks.beside_fastai DATA WEIGHTS [--minutes 10] [--images 150]
"""

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

from benchmarks.measure import (
    Timing,
    make_parser,
    print_result,
    ratios,
    time_alternately,
)
from benchmarks.transfer import clear_caches, run, split_in_five

TRAIN_MODULES = "vicinal.cli.app, vicinal.domains, vicinal.images.run"
PREDICT_MODULES = "vicinal.cli.app, vicinal.domains, vicinal.images.predict"

EPOCHS = 3
TIMES_FASTER, POINTS, PREDICT_TIMES = 40, 10, 4
"""targets of the linear probe, of ten minutes, and of predict"""


class Fastai(NamedTuple):
    """fastai's fine-tuned learner and its row of the table."""

    vision: Any
    learner: Any
    row: dict[str, Any]

    def predict(self, folder: Path) -> None:
        """Compute probabilities for the images of a directory, decoding included."""
        files = self.vision.get_image_files(folder)
        with self.learner.no_bar():
            self.learner.get_preds(dl=self.learner.dls.test_dl(files))


def fastai(frame: pd.DataFrame, weights: Path, seed: int, directory: Path) -> Fastai:
    """Fine-tune with fastai's defaults on the training rows, score on the test rows."""
    with contextlib.suppress(ImportError):
        import_module("torchvision_without_ops")
    # before vicinal, which changes how torch's threads wait
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
    loaders = block.dataloaders(frame, path=directory)
    # like vision_learner, whose table of cuts lacks this network
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
        # after each epoch, the frozen one included
        "of_which_validating": validated * (EPOCHS + 1),
    }
    return Fastai(vision, learner, row)


def _network(weights: Path) -> Any:
    """Return MobileNetV2 with the weights and the padding of their training."""
    from safetensors.torch import load_file

    from vicinal.images.networks import build

    network = build("mobilenet_v2", num_classes=1000, padding="tensorflow")
    network.load_state_dict(load_file(weights), strict=True)
    return network


def import_seconds(modules: str, n: int) -> float:
    """Return the median seconds of a process that imports modules and ends."""
    command = [sys.executable, "-c", f"import {modules}"]
    work = {modules: lambda: subprocess.run(command, check=True)}
    return statistics.median(time_alternately(work, n)[modules].seconds)


def linear_probe_row(
    data: Path, weights: str, cache: Path, out: Path, n: int
) -> dict[str, Any]:
    """Return the row of the linear probe: medians of n runs with empty caches."""
    frozen = ("--freeze", "all")
    run(data, weights, cache, out, *frozen)  # measures the network's runtime
    results = []
    for _ in range(n):
        clear_caches(cache)
        results.append(run(data, weights, cache, out, *frozen))
        print("linear probe", results[-1]["probe_seconds"], file=sys.stderr, flush=True)
    whole = statistics.median(one["probe_seconds"] for one in results)
    imports = import_seconds(TRAIN_MODULES, n)
    return {
        "name": "vicinal, linear probe",
        **_score(results[-1]),
        "seconds": whole - imports,
        "imports": imports,
        "min": min(one["probe_seconds"] for one in results) - imports,
        "max": max(one["probe_seconds"] for one in results) - imports,
        "run": results[-1]["run"],
    }


def fine_tuned_row(
    minutes: str, data: Path, weights: str, cache: Path, out: Path
) -> dict[str, Any]:
    """Return the row of the fine-tuned model; seconds include imports and report."""
    clear_caches(cache)
    result = run(data, weights, cache, out, "--minutes", minutes)
    name = f"vicinal, --minutes {minutes}"
    return {
        "name": name,
        **_score(result),
        "seconds": result["wall"],
        "run": result["run"],
    }


def _score(result: dict[str, Any]) -> dict[str, Any]:
    return {"accuracy": result["score"]["value"], "n": result["score"]["n"]}


def predict_rows(
    theirs: Fastai, model: str, folder: Path, cache: Path, out: Path, n: int
) -> list[dict[str, Any]]:
    """Return images per second of both on a directory, alternately, and the ratio."""
    command = [sys.executable, "-m", "vicinal", "predict", model, str(folder)]
    command += ["--output", str(out / "answers.csv")]
    env = os.environ | {"VICINAL_CACHE": str(cache)}

    def ours() -> None:
        for name in ("images", "features"):  # so that images are decoded
            shutil.rmtree(cache / name, ignore_errors=True)
        subprocess.run(command, check=True, capture_output=True, env=env)

    count = sum(1 for _ in folder.iterdir())
    work = {"fastai": lambda: theirs.predict(folder), "vicinal": ours}
    times = time_alternately(work, n, count)
    imports = import_seconds(PREDICT_MODULES, n)
    seconds = [value - imports for value in times["vicinal"].seconds]
    ours_timing = Timing("vicinal, predict", seconds, count)
    other = Timing("fastai, get_preds", times["fastai"].seconds, count)
    ratio_row = {"name": "predict, theirs over ours", **ratios(ours_timing, other)}
    return [
        other.to_dict(),
        ours_timing.to_dict() | {"imports": imports},
        ratio_row | {"target": PREDICT_TIMES},
    ]


def copy_test_images(frame: pd.DataFrame, folder: Path) -> Path:
    """Copy the test images to a directory without their labels."""
    folder.mkdir()
    for number, path in enumerate(frame.loc[frame["split"] == "test", "path"]):
        shutil.copy(path, folder / f"{number:05}{Path(path).suffix}")
    return folder


def make_split(data: Path, seed: int, num_images: int | None, out: Path) -> Path:
    """Return a CSV with the split that both use, optionally of a random subset."""
    path = split_in_five(data, seed, out) if data.is_dir() else data
    frame = pd.read_csv(path)
    if num_images is not None:
        frame = frame.sample(min(num_images, len(frame)), random_state=seed)
    directory = path.resolve().parent  # paths in a CSV are relative to it
    frame["path"] = [str(directory / name) for name in frame["path"]]
    path = out / "division.csv"
    frame.to_csv(path, index=False)
    return path


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        "data", type=Path, help="a CSV path,label,split, or a directory per class"
    )
    parser.add_argument("weights", type=Path, help="MobileNetV2's, trained by 'SAME'")
    parser.add_argument("--minutes", default="10", help="of fine-tuning; 0: none")
    parser.add_argument("--images", type=int, help="size of a random subset")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the split and of fastai"
    )
    parser.add_argument(
        "-n", type=int, default=3, help="repetitions of short measurements"
    )
    options = parser.parse_args()
    weights = str(options.weights.resolve())
    with tempfile.TemporaryDirectory() as directory:
        out, cache = Path(directory), Path(directory) / "cache"
        data = make_split(options.data, options.seed, options.images, out)
        frame = pd.read_csv(data)
        first = linear_probe_row(data, weights, cache, out, options.n)
        theirs = fastai(frame, Path(weights), options.seed, out)
        print(theirs.row, file=sys.stderr, flush=True)
        score = theirs.row["accuracy"]
        rows = [theirs.row, first]
        faster = {
            "name": "linear probe, theirs over ours",
            "ratio": theirs.row["seconds"] / first["seconds"],
            "target": TIMES_FASTER,
        }
        better = [_points("linear probe", first["accuracy"] - score, 0)]
        model = first["run"]
        if float(options.minutes):
            tuned = fine_tuned_row(options.minutes, data, weights, cache, out)
            rows.append(tuned)
            gained = tuned["accuracy"] - score
            better.append(_points(f"--minutes {options.minutes}", gained, POINTS))
            model = tuned["run"]
        folder = copy_test_images(frame, out / "test")
        predicted = predict_rows(theirs, model, folder, cache, out, options.n)
    rows = [{k: v for k, v in row.items() if k != "run"} for row in rows]
    result = {
        "claim": f"transfer beside fastai {version('fastai')}, {options.data.name}, "
        f"{len(frame)} images, vicinal {version('vicinal')}",
        "ratio": faster["ratio"],
        "rows": [*rows, *predicted[:-1], faster, *better, predicted[-1]],
    }
    print_result(result, options.json)


def _points(name: str, gained: float, target: float) -> dict[str, Any]:
    name = f"accuracy points, {name} minus fastai"
    return {"name": name, "points": 100 * gained, "target": target}


if __name__ == "__main__":
    main()
