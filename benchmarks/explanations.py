"""What an answer rests on, beside Captum: the same maps, sooner, held against chance.

MobileNetV2 with pretrained weights on photographs of ImageNet, float32, one network:
Captum gets it as it is, ours is prepared as `explain` does for more than a few maps
(norms folded, channels last; on OpenVINO where that is there and faster). For each
method:

- the largest difference from Captum's map, as a share of its largest number, of both on
  the very same network in float64 (and as timed: slopes of a network of ReLUs jump, so
  rounding moves single pixels of integrated gradients);
- seconds a picture of both, in turns;
- the mean deletion and insertion score beside those of random maps as smooth, with the
  chance of such a gain if there were none (a sign flip of each picture's gain).

Integrated gradients: both with 50 points for the comparison; the scores are of the map
that `explain` gives. 50 points leave a sum that is off, so there is a second race: to
within 1 % of F(x) - F(0), ours as it is by default, Captum with the least of 50, 100,
200 ... points that do (only that one counts, not the search for it).

    python -m benchmarks.explanations WEIGHTS.safetensors FOLDER [--pictures 200]

Captum is no dependency of the project: it takes an environment that has both.
"""

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.imagenet_sample import HOW, read_pixels
from benchmarks.measure import tell
from vicinal.core.report.explanation import Faithfulness
from vicinal.images.data.preprocess import to_input
from vicinal.images.explain.explain import METHODS, asking, seen_pixels
from vicinal.images.explain.faithfulness import faithfulness
from vicinal.images.explain.gradcam import grad_cam
from vicinal.images.explain.integrated_gradients import integrated_gradients
from vicinal.images.explain.occlusion import occlusion
from vicinal.images.pretrained_classifier import load_pretrained
from vicinal.images.tracing.explained_network import forms_of
from vicinal.images.tracing.gradients import ValueAndGradient
from vicinal.images.tracing.target import Target

WINDOW, STRIDE = 32, 16
"""pixels, of the square that is covered"""

POINTS = 50
"""of integrated gradients, for the comparison"""

MOST_POINTS = 64 * POINTS

TIMED = 10
"""pictures on which both are timed"""

DRAWS = 20_000


class Rival(NamedTuple):
    """One method, ours and Captum's: from a picture and a class row to a map."""

    ours: Callable[[Tensor, int], Tensor]
    theirs: Callable[[Tensor, int], Tensor]


def rivals(
    network: nn.Module, plain: nn.Module, asked: nn.Module | ValueAndGradient
) -> dict[str, Rival]:
    """Captum's on a network, ours on its forms."""
    attr: Any = import_module("captum.attr")
    last = "features.18.2"
    layer = attr.LayerGradCam(network, network.get_submodule(last))
    path, covering = attr.IntegratedGradients(network), attr.Occlusion(network)

    def their_cam(x: Tensor, row: int) -> Tensor:
        found = layer.attribute(x[None], target=row, relu_attributions=True)
        size = tuple(x.shape[-2:])
        return attr.LayerAttribution.interpolate(found, size, "bilinear")[0, 0]

    def their_path(x: Tensor, row: int) -> Tensor:
        return path.attribute(x[None], target=row, n_steps=POINTS)[0]

    def their_cover(x: Tensor, row: int) -> Tensor:
        found = covering.attribute(
            x[None],
            target=row,
            sliding_window_shapes=(3, WINDOW, WINDOW),
            strides=(3, STRIDE, STRIDE),
        )
        return found[0, 0]

    def cam(x: Tensor, row: int) -> Tensor:
        return grad_cam(plain, x, Target("", row), last)

    def points(x: Tensor, row: int) -> Tensor:
        return integrated_gradients(asked, x, Target("", row), steps=POINTS)

    def cover(x: Tensor, row: int) -> Tensor:
        return occlusion(asked, x, Target("", row), WINDOW, STRIDE)

    return {
        "gradcam": Rival(cam, their_cam),
        "integrated_gradients": Rival(points, their_path),
        "occlusion": Rival(cover, their_cover),
    }


def apart(rival: Rival, x: Tensor, rows: list[int]) -> float:
    """How far the maps of some pictures are apart, as a share of the largest number."""
    largest = 0.0
    for picture, row in zip(x, rows, strict=True):
        ours, theirs = (rule(picture, row).detach() for rule in rival)
        unit = float(theirs.abs().max()) or 1.0
        largest = max(largest, float((ours - theirs).abs().max()) / unit)
    return largest


def timed(rival: Rival, x: Tensor, rows: list[int]) -> dict[str, Any]:
    """Both on some pictures in turns: seconds a picture."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number, (picture, row) in enumerate(zip(x, rows, strict=True)):
        for name, rule in (("ours", rival.ours), ("theirs", rival.theirs)):
            started_at = time.perf_counter()
            rule(picture, row)
            if number:  # the first warms up
                seconds[name].append(time.perf_counter() - started_at)
    ours, theirs = (statistics.median(seconds[name]) for name in seconds)
    paired = zip(seconds["theirs"], seconds["ours"], strict=True)
    ratio = [t / o for t, o in paired]
    return {
        "seconds": ours,
        "captum": theirs,
        "ratio": theirs / ours,
        "least": min(ratio),
        "most": max(ratio),
    }


def race(
    network: nn.Module, asked: ValueAndGradient, x: Tensor, rows: list[int]
) -> dict[str, Any]:
    """Seconds of integrated gradients whose sum is right within 1 %, a picture."""
    attr: Any = import_module("captum.attr")
    path = attr.IntegratedGradients(network)
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    points, usual = [], []
    for picture, row in zip(x, rows, strict=True):
        target = Target("", row)
        with torch.no_grad():
            both = target(network(torch.stack([picture, torch.zeros_like(picture)])))
        whole = float(both[0] - both[1])
        started_at = time.perf_counter()
        found = integrated_gradients(asked, picture, target)
        taken["ours"].append(time.perf_counter() - started_at)
        assert abs(float(found.sum()) - whole) <= 0.0101 * abs(whole)
        seconds, steps, off = 0.0, POINTS // 2, 1.0
        while off > 0.01 and steps < MOST_POINTS:
            steps *= 2
            started_at = time.perf_counter()
            found = path.attribute(
                picture[None], target=row, n_steps=steps, internal_batch_size=POINTS
            )
            seconds = time.perf_counter() - started_at
            off = abs(float(found.sum()) - whole) / abs(whole)
            if steps == POINTS:
                usual.append(off)
        taken["theirs"].append(seconds)
        points.append(steps)
    ours, theirs = (statistics.median(values) for values in taken.values())
    return {
        "within 1 %": ours,
        "captum within 1 %": theirs,
        "ratio within 1 %": theirs / ours,
        "its points": statistics.median(points),
        "off with 50, mean": statistics.mean(usual),
        "off with 50, most": max(usual),
    }


def chance(gains: list[float]) -> float:
    """How often random signs give as large a mean gain."""
    g, rng = np.array(gains), np.random.default_rng(0)
    signs = 2 * rng.integers(0, 2, (DRAWS, len(g))) - 1
    return float((1 + ((signs * g).mean(axis=1) >= g.mean()).sum()) / (1 + DRAWS))


def scored(found: list[Faithfulness]) -> dict[str, Any]:
    """Means over the pictures, and the chance of such a gain."""
    named = ("deletion", "random_deletion", "insertion", "random_insertion")
    means = {k: statistics.mean(getattr(f, k) for f in found) for k in named}
    return {
        "n": len(found),
        **means,
        "p deletion": chance([f.random_deletion - f.deletion for f in found]),
        "p insertion": chance([f.insertion - f.random_insertion for f in found]),
        "better, each alone": statistics.mean(f.better for f in found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", help="the weights, with torchvision's key names")
    parser.add_argument("folder", help="1,000 pictures, one per class, in class order")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    model = load_pretrained(options.weights, device="cpu")
    network, forms = model.network_.eval(), forms_of(model)
    pixels = read_pixels(options.folder)
    spread = np.linspace(0, len(pixels) - 1, options.pictures).astype(int)
    x = to_input(pixels[spread], HOW).contiguous()
    seen = torch.from_numpy(seen_pixels(pixels[spread], HOW)).movedim(-1, 1)
    shown = seen.movedim(1, -1).numpy()
    said = forms.answer(shown).argmax(dim=1).tolist()
    rows = []
    exact = copy.deepcopy(network).double()
    same = rivals(exact, exact, exact)
    some, few = x[: TIMED + 1], said[: TIMED + 1]
    asked = [forms.asked(picture) for picture in shown[:2]][-1]
    print(f"slopes {type(asked).__name__}", file=sys.stderr, flush=True)
    prepared = rivals(network, forms.plain, asked)
    times = {name: timed(rival, some, few) for name, rival in prepared.items()}
    for name, rival in prepared.items():
        row = {
            "method": name,
            "difference": apart(same[name], some[:5].double(), few[:5]),
        }
        row |= {"as timed": apart(rival, some[:5], few[:5]), **times[name]}
        if name == "integrated_gradients":
            row |= race(network, asked, some, few)
        found, whole = [], []
        for k, picture, pixels, tested in zip(said, x, shown, seen, strict=True):
            target = Target("", k)
            started_at = time.perf_counter()
            drawn = METHODS[name](forms, pixels)(picture, target)
            found.append(faithfulness(asking(model, target), tested, drawn))
            whole.append(time.perf_counter() - started_at)
        row["explained and tested, seconds"] = statistics.median(whole)
        rows.append(row | scored(found))
        print(rows[-1], file=sys.stderr, flush=True)  # it takes a while
    claim = f"explanations of MobileNetV2 on {options.pictures} photographs"
    tell({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
