"""`vicinal demo images`: what convolution and transfer learning contribute, on digits.

Uses the 1,797 handwritten digits of scikit-learn (Alpaydin & Kaynak 1998); no download.
First a CNN beside a dense network with at least as many parameters, on the digits as
written and on the digits shifted by a pixel or two. Then transfer learning: a network
trained on 0 to 4 learns 5 to 9 from ten examples each.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.compute.runtime import count_parameters
from vicinal.core.data.splits import TEST, TRAIN, Fractions, split
from vicinal.core.metrics import Score
from vicinal.core.report.console import Console
from vicinal.images.classifier import ImageClassifier
from vicinal.images.report.dense_comparison import DenseClassifier

MARGIN = 2
"""empty pixels around each digit, so that it can be shifted without loss"""

IMAGE_SIZE = 24
"""pixels: the padded digits of 12 x 12 are shown to the networks at twice the size"""

EPOCHS = 20
EXAMPLES = 10
"""training images of each new digit"""

SHORT, LONG = 6, 24
"""epochs for the few examples"""

TITLES = {"cnn": "CNN", "dense": "dense network"}


class Digits(NamedTuple):
    """Images [N, 12, 12] of uint8 and their digits [N], for training and test."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def only(self, digits: range) -> "Digits":
        """Return the images of the given digits."""
        train, test = np.isin(self.y, digits), np.isin(self.y_test, digits)
        return Digits(
            self.x[train], self.y[train], self.x_test[test], self.y_test[test]
        )


def load_digits(seed: int = 0) -> Digits:
    """Load scikit-learn's digits, padded by MARGIN; a third is for the test."""
    from sklearn.datasets import load_digits as load_sklearn_digits

    digits: Any = load_sklearn_digits()
    x, y = digits.data, digits.target
    pixels = np.rint(x.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    padded = np.pad(pixels, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    splits = split(y, fractions=Fractions(2 / 3, 0, 1 / 3), seed=seed)
    train, test = splits == TRAIN, splits == TEST
    return Digits(padded[train], y[train], padded[test], y[test])


def run_demo(console: Console, *, seeds: int = 5) -> dict[str, Any]:
    """Run both experiments and return their scores."""
    started_at = time.monotonic()
    digits = load_digits()
    console.print(
        f"{len(digits.y) + len(digits.y_test):,} handwritten digits of 8 x 8 pixels, "
        f"{len(digits.y_test)} of them for the test.\n"
    )
    networks = compare_networks(digits, console)
    transfer = compare_transfer(digits, console, seeds)
    console.print(
        "\nNext, your own images, a directory per class:\n"
        f"{_activation_hint()}"
        "  vicinal check DATA        which images can be used\n"
        "  vicinal train DATA        a tested model and a report\n"
        "  vicinal info              the networks to choose from with --backbone"
    )
    cnn = networks["cnn"]
    return {
        "score": cnn["score"],
        "baselines": {"dense network": networks["dense"]["score"]},
        "networks": networks,
        "transfer": transfer,
        "seconds": round(time.monotonic() - started_at, 2),
    }


def _activation_hint() -> str:
    """Return the line that puts `vicinal` on the PATH, if it is not there."""
    if shutil.which("vicinal") or sys.prefix == sys.base_prefix:
        return ""
    script = os.path.relpath(Path(sys.prefix) / "bin" / "activate")
    return f"  {f'source {script}':<25} puts `vicinal` on the PATH\n"


def make_classifier(
    estimator: type[ImageClassifier], **parameters: Any
) -> ImageClassifier:
    """Create an estimator without augmentation, averaging or cache."""
    defaults: dict[str, Any] = {
        "image_size": IMAGE_SIZE,
        "augment": "none",
        "epochs": EPOCHS,
        "lr": 5e-3,
        "layer_decay": 1.0,
        "ema": 0.0,
        "deterministic": True,
        "cache": False,
    }
    return estimator(**{**defaults, **parameters})


# --- a CNN beside a dense network ------------------------------------------------


def compare_networks(digits: Digits, console: Console) -> dict[str, Any]:
    """Compare a CNN and a dense network on digits as written and shifted."""
    cnn = make_classifier(ImageClassifier)
    cnn.fit(digits.x, digits.y)
    dense = DenseClassifier(**cnn.get_params())
    dense.min_parameters = count_parameters(cnn.network_)
    dense.fit(digits.x, digits.y)
    results = {
        "cnn": evaluate_network(cnn, digits),
        "dense": evaluate_network(dense, digits),
    }
    console.print(
        f"{'test accuracy':<16}{'parameters':>12}{'as written':>12}"
        f"{'shift 1 px':>12}{'shift 2 px':>12}"
    )
    for name, row in results.items():
        accuracies = (row["score"]["value"], row["shifted_by_1"], row["shifted_by_2"])
        cells = "".join(f"{100 * accuracy:>10.1f} %" for accuracy in accuracies)
        console.print(f"{TITLES[name]:<16}{row['parameters']:>12,}{cells}")
    console.print(
        "\nNo shifted digit was used for training. A CNN uses the same weights at\n"
        "every position, so it recognises a stroke wherever it is; a dense network\n"
        "has to learn each position separately (parameter sharing, translation\n"
        "equivariance)."
    )
    return results


def evaluate_network(model: ImageClassifier, digits: Digits) -> dict[str, Any]:
    """Return parameters, test accuracy, and accuracy on digits shifted by 1 and 2."""
    evaluation = model.evaluate((digits.x_test, digits.y_test))
    return {
        "parameters": count_parameters(model.network_),
        "score": evaluation.score.to_dict(),
        "shifted_by_1": accuracy_when_shifted(model, digits, 1),
        "shifted_by_2": accuracy_when_shifted(model, digits, 2),
    }


def accuracy_when_shifted(model: Any, digits: Digits, pixels: int) -> float:
    """Return the mean accuracy over the eight shifts by `pixels`; no ink is lost."""
    steps = (-pixels, 0, pixels)
    shifts = [(dy, dx) for dy in steps for dx in steps if dy or dx]
    shifted = [np.roll(digits.x_test, shift, axis=(1, 2)) for shift in shifts]
    return float(np.mean([(model.predict(x) == digits.y_test).mean() for x in shifted]))


# --- transfer learning -----------------------------------------------------------


def compare_transfer(digits: Digits, console: Console, seeds: int) -> dict[str, Any]:
    """Learn 5 to 9 from ten examples each: from scratch, and from a network for 0 to 4.

    Returns the accuracies by starting point and number of epochs.
    """
    old, new = digits.only(range(5)), digits.only(range(5, 10))
    with tempfile.TemporaryDirectory() as directory:
        source = str(Path(directory) / "digits-0-to-4")
        pretrained = make_classifier(ImageClassifier, augment="light")
        pretrained.fit(old.x, old.y).save(source)
        starts = {
            "from scratch": {},
            "transfer, all layers": {"weights": source},
            "transfer, head only": {"weights": source, "freeze": "all"},
        }
        runs = {
            name: {
                epochs: [few_shot_accuracy(new, s, start, epochs) for s in range(seeds)]
                for epochs in (SHORT, LONG)
            }
            for name, start in starts.items()
        }
    console.print(
        f"\nDigits 5 to 9 from {EXAMPLES} examples each, {seeds} random draws, "
        f"{len(new.y_test)} test images:\n"
        f"{'test accuracy':<22}{f'{SHORT} epochs':>16}{f'{LONG} epochs':>16}"
    )
    for name, by_epochs in runs.items():
        cells = "".join(f"{_format_accuracies(v):>16}" for v in by_epochs.values())
        console.print(f"{name:<22}{cells}")
    console.print(_summarize_transfer(runs))
    return {
        name: {
            f"{epochs}_epochs": {"mean": float(np.mean(v)), "values": v}
            for epochs, v in by_epochs.items()
        }
        for name, by_epochs in runs.items()
    }


def _summarize_transfer(runs: dict[str, dict[int, list[float]]]) -> str:
    """Summarise the table in two sentences, whichever start is better."""
    scratch, all_layers, head_only = (
        {epochs: float(np.mean(v)) for epochs, v in by_epochs.items()}
        for by_epochs in runs.values()
    )
    early = 100 * (all_layers[SHORT] - scratch[SHORT])
    late = 100 * (all_layers[LONG] - head_only[LONG])
    return (
        f"\nAfter {SHORT} epochs the network pretrained on 0 to 4 is "
        f"{abs(early):.1f} points {'better' if early > 0 else 'worse'}\nthan one "
        f"trained from scratch. After {LONG} epochs training all layers "
        f"{'adds' if late > 0 else 'costs'}\n{abs(late):.1f} points over fitting the "
        "head only, which takes no epochs."
    )


def _format_accuracies(values: list[float]) -> str:
    """Format the mean and, for several values, the standard deviation in percent."""
    std = f" +- {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f} %{std}"


def few_shot_accuracy(
    digits: Digits, seed: int, start: dict[str, Any], epochs: int
) -> float:
    """Return the test accuracy after training on EXAMPLES images of each digit."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate(
        [
            rng.choice(np.flatnonzero(digits.y == k), EXAMPLES, replace=False)
            for k in np.unique(digits.y)
        ]
    )
    parameters = {"val_fraction": 0.0, "epochs": epochs, "batch_size": 10, "lr": 3e-3}
    model = make_classifier(ImageClassifier, random_state=seed, **parameters, **start)
    model.fit(digits.x[rows], digits.y[rows])
    score: Score = model.evaluate((digits.x_test, digits.y_test)).score
    return score.value
