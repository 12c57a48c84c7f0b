"""`vicinal demo images`: what a CNN is good for, as figures, on real digits.

The 1,797 handwritten digits that come with scikit-learn (Alpaydin & Kaynak 1998) need
no network. First a CNN beside a plain dense network of at least as many parameters:
on the digits as they were written, and on the same digits moved by a pixel or two.
Then transfer: a network that knows 0 to 4 learns 5 to 9 from ten examples each.
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
from vicinal.images.classifier import ImageClassifier
from vicinal.images.predict import Speaker
from vicinal.images.report.dense_comparison import DenseClassifier

MARGIN = 2  # pixels of empty paper around each digit, so that it can be moved
SIZE = 24  # pixels: the sheet of 12 x 12 is shown to the networks twice as large
EPOCHS = 20
EXAMPLES = 10  # of each new digit
SHORT, LONG = 6, 24  # epochs for the few examples


class Digits(NamedTuple):
    """Pictures [N, 12, 12] of uint8 and their digits [N], in two parts."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def only(self, digits: range) -> "Digits":
        """The part of the data that shows these digits."""
        train, test = np.isin(self.y, digits), np.isin(self.y_test, digits)
        return Digits(
            self.x[train], self.y[train], self.x_test[test], self.y_test[test]
        )


def load_digits(seed: int = 0) -> Digits:
    """The digits on a larger sheet; a third of them is for testing."""
    from sklearn.datasets import load_digits as read

    digits: Any = read()
    x, y = digits.data, digits.target
    pixels = np.rint(x.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    sheet = np.pad(pixels, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    part = split(y, fractions=Fractions(2 / 3, 0, 1 / 3), seed=seed)
    train, test = part == TRAIN, part == TEST
    return Digits(sheet[train], y[train], sheet[test], y[test])


def run_demo(voice: Speaker, *, seeds: int = 5) -> dict[str, Any]:
    """Both parts; returns the figures."""
    started_at = time.monotonic()
    digits = load_digits()
    voice.say(
        f"{len(digits.y) + len(digits.y_test):,} handwritten digits of 8 x 8 pixels; "
        f"{len(digits.y_test)} of them are held out.\n"
    )
    networks = compare_networks(digits, voice)
    transfer = compare_starts(digits, voice, seeds)
    voice.say(
        f"\nNow with pictures of your own, one folder per class:\n{_activate()}"
        "  vicinal check FOLDER      what can be used, and what cannot\n"
        "  vicinal train FOLDER      a tested model and a report\n"
        "  vicinal info              the networks to choose from with --backbone"
    )
    seconds = round(time.monotonic() - started_at, 2)
    cnn = networks["cnn"]
    return {
        "score": cnn["score"],
        "baselines": {"dense network": networks["dense"]["score"]},
        "networks": networks,
        "transfer": transfer,
        "seconds": seconds,
    }


def _activate() -> str:
    """How to bring `vicinal` on the path, where it is not there yet."""
    if shutil.which("vicinal") or sys.prefix == sys.base_prefix:
        return ""
    script = os.path.relpath(Path(sys.prefix) / "bin" / "activate")
    return f"  {f'source {script}':<26}so that the shell knows vicinal\n"


# --- a CNN beside a dense network ------------------------------------------------


def compare_networks(digits: Digits, voice: Speaker) -> dict[str, Any]:
    """Accuracy on digits in their place and moved, for a CNN and a dense network."""
    cnn = learner(ImageClassifier)
    cnn.fit(digits.x, digits.y)
    plain = DenseClassifier(**cnn.get_params())
    plain.min_parameters = count_parameters(cnn.network_)
    plain.fit(digits.x, digits.y)
    told = {"cnn": measured(cnn, digits), "dense": measured(plain, digits)}
    voice.say(
        f"{'':<16}{'parameters':>12}{'in place':>12}{'1 px away':>12}{'2 px away':>12}"
    )
    for name, row in told.items():
        shares = (row["score"]["value"], row["moved_by_1"], row["moved_by_2"])
        cells = "".join(f"{100 * share:>10.1f} %" for share in shares)
        voice.say(f"{TITLES[name]:<16}{row['parameters']:>12,}{cells}")
    voice.say(
        "\nNeither saw a moved digit in training. The CNN's weights are shared by all "
        "places,\nso a stroke is recognised wherever it lies; the dense network has to "
        "learn each place\nby itself (parameter sharing, translation invariance)."
    )
    return told


TITLES = {"cnn": "CNN", "dense": "dense network"}


def learner(kind: type[ImageClassifier], **settings: Any) -> ImageClassifier:
    """An estimator for the demo: no augmentation, so that the network shows itself."""
    plain: dict[str, Any] = {
        "image_size": SIZE,
        "augment": "none",
        "epochs": EPOCHS,
        "lr": 5e-3,
    }
    plain |= {"layer_decay": 1.0, "ema": 0.0, "exact": True, "cache": False}
    return kind(**{**plain, **settings})


def measured(model: ImageClassifier, digits: Digits) -> dict[str, Any]:
    """Parameters, accuracy, and mean accuracy over all moves by 1 and by 2 pixels."""
    found = model.evaluate((digits.x_test, digits.y_test))
    return {
        "parameters": count_parameters(model.network_),
        "score": found.score.to_dict(),
        "moved_by_1": accuracy_when_moved(model, digits, 1),
        "moved_by_2": accuracy_when_moved(model, digits, 2),
    }


def accuracy_when_moved(model: ImageClassifier, digits: Digits, far: int) -> float:
    """Mean accuracy over the eight moves by `far` pixels; all strokes stay on paper."""
    moves = [(dy, dx) for dy in (-far, 0, far) for dx in (-far, 0, far) if dy or dx]
    moved = [np.roll(digits.x_test, move, axis=(1, 2)) for move in moves]
    return float(np.mean([(model.predict(x) == digits.y_test).mean() for x in moved]))


# --- transfer --------------------------------------------------------------------


def compare_starts(digits: Digits, voice: Speaker, seeds: int) -> dict[str, Any]:
    """Ten examples of each of 5 to 9: from nothing, and from a network for 0 to 4."""
    known, new = digits.only(range(5)), digits.only(range(5, 10))
    with tempfile.TemporaryDirectory() as folder:
        source = str(Path(folder) / "digits-0-to-4")
        learner(ImageClassifier, augment="light").fit(known.x, known.y).save(source)
        starts = {
            "from nothing": {},
            "transfer, all layers": {"weights": source},
            "transfer, head only": {"weights": source, "freeze": "all"},
        }
        runs = {
            name: {
                epochs: [few_examples(new, s, start, epochs) for s in range(seeds)]
                for epochs in (SHORT, LONG)
            }
            for name, start in starts.items()
        }
    voice.say(
        f"\n{EXAMPLES} examples of each of the digits 5 to 9, {seeds} draws, "
        f"{len(new.y_test)} digits held out:\n"
        f"{'':<22}{f'{SHORT} epochs':>16}{f'{LONG} epochs':>16}"
    )
    for name, by_epochs in runs.items():
        cells = "".join(f"{_mean_and_spread(v):>16}" for v in by_epochs.values())
        voice.say(f"{name:<22}{cells}")
    voice.say(_what_transfer_bought(runs))
    return {
        name: {
            f"{epochs}_epochs": {"mean": float(np.mean(v)), "values": v}
            for epochs, v in by_epochs.items()
        }
        for name, by_epochs in runs.items()
    }


def _what_transfer_bought(runs: dict[str, dict[int, list[float]]]) -> str:
    """The table in two sentences, whichever way it came out."""
    mean = {
        name: {epochs: float(np.mean(v)) for epochs, v in by_epochs.items()}
        for name, by_epochs in runs.items()
    }
    nothing, whole, head = mean.values()
    gain = 100 * (whole[SHORT] - nothing[SHORT])
    side = "ahead of" if gain > 0 else "behind"
    rest = 100 * (whole[LONG] - head[LONG])
    verb = "adds" if rest > 0 else "costs"
    return (
        f"\nAfter {SHORT} epochs the network that begins with the filters of 0 to 4 is "
        f"{abs(gain):.1f} points\n{side} one that begins from nothing. After {LONG}, "
        f"letting all its layers learn\n{verb} {abs(rest):.1f} points over a new head "
        "alone, which is fitted at once, without epochs."
    )


def _mean_and_spread(values: list[float]) -> str:
    spread = f" +- {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f} %{spread}"


def few_examples(
    digits: Digits, seed: int, start: dict[str, Any], epochs: int
) -> float:
    """Accuracy after learning from a few examples of each digit."""
    rng = np.random.default_rng(seed)
    rows = [
        rng.choice(np.flatnonzero(digits.y == k), EXAMPLES, replace=False)
        for k in np.unique(digits.y)
    ]
    few = np.concatenate(rows)
    settings = {"val_fraction": 0.0, "epochs": epochs, "batch_size": 10, "lr": 3e-3}
    model = learner(ImageClassifier, random_state=seed, **settings, **start)
    model.fit(digits.x[few], digits.y[few])
    score: Score = model.evaluate((digits.x_test, digits.y_test)).score
    return score.value
