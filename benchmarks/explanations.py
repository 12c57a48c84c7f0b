"""Attributions compared with Captum: the same maps, faster, with a random control.

MobileNetV2 with pretrained weights on photographs of ImageNet, float32. Captum gets the
network as it is, ours is prepared as `explain` does for several maps (batch norms
folded, channels last; with OpenVINO where it is installed and faster). For each method:

- the largest difference from Captum's map, relative to its largest value, on the same
  network in float64 (and as timed: gradients of ReLU networks jump, so rounding moves
  single pixels of integrated gradients);
- seconds per image of both, alternately;
- mean deletion and insertion scores beside those of random maps of the same smoothness,
  with the p-value of the difference (sign flips).

Integrated gradients: both with 50 points for the comparison; the scores are of the map
that `explain` gives. 50 points leave the sum off, so there is a second comparison:
until the sum is within 1 % of F(x) - F(0), ours with defaults, Captum with the fewest
of 50, 100, 200 ... points that suffice (only that run counts, not the search).

    python -m benchmarks.explanations WEIGHTS.safetensors DIRECTORY [--images 200]

Captum is not a dependency of the project: use an environment that has both.
"""

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

from benchmarks.imagenet_sample import PREPROCESSING, read_pixels
from benchmarks.measure import make_parser, print_result
from vicinal.core.report.explanation import Faithfulness
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.explain.explain import METHODS, crop_pixels, make_scorer
from vicinal.images.explain.faithfulness import measure_faithfulness
from vicinal.images.explain.gradcam import grad_cam
from vicinal.images.explain.integrated_gradients import integrated_gradients
from vicinal.images.explain.occlusion import occlusion
from vicinal.images.pretrained_classifier import load_pretrained
from vicinal.images.tracing.explained_network import get_explained_network
from vicinal.images.tracing.gradients import ValueAndGradient
from vicinal.images.tracing.target import Target

WINDOW, STRIDE = 32, 16
"""pixels; side and step of the occluding square"""

POINTS = 50
"""of integrated gradients, for the comparison"""

MOST_POINTS = 64 * POINTS

TIMED = 10
"""images on which both are timed"""

DRAWS = 20_000


class Method(NamedTuple):
    """One method, ours and Captum's: from an image and a class row to a map."""

    ours: Callable[[Tensor, int], Tensor]
    theirs: Callable[[Tensor, int], Tensor]


def make_methods(
    network: nn.Module,
    plain: nn.Module,
    value_and_gradient: nn.Module | ValueAndGradient,
) -> dict[str, Method]:
    """Return Captum's methods on a network, and ours on its prepared copies."""
    attr: Any = import_module("captum.attr")
    last = "features.18.2"
    layer = attr.LayerGradCam(network, network.get_submodule(last))
    path, occluder = attr.IntegratedGradients(network), attr.Occlusion(network)

    def their_cam(x: Tensor, row: int) -> Tensor:
        found = layer.attribute(x[None], target=row, relu_attributions=True)
        size = tuple(x.shape[-2:])
        return attr.LayerAttribution.interpolate(found, size, "bilinear")[0, 0]

    def their_path(x: Tensor, row: int) -> Tensor:
        return path.attribute(x[None], target=row, n_steps=POINTS)[0]

    def their_occlusion(x: Tensor, row: int) -> Tensor:
        found = occluder.attribute(
            x[None],
            target=row,
            sliding_window_shapes=(3, WINDOW, WINDOW),
            strides=(3, STRIDE, STRIDE),
        )
        return found[0, 0]

    def cam(x: Tensor, row: int) -> Tensor:
        return grad_cam(plain, x, Target("", row), last)

    def path_points(x: Tensor, row: int) -> Tensor:
        return integrated_gradients(
            value_and_gradient, x, Target("", row), steps=POINTS
        )

    def occlude(x: Tensor, row: int) -> Tensor:
        return occlusion(value_and_gradient, x, Target("", row), WINDOW, STRIDE)

    return {
        "gradcam": Method(cam, their_cam),
        "integrated_gradients": Method(path_points, their_path),
        "occlusion": Method(occlude, their_occlusion),
    }


def max_difference(method: Method, x: Tensor, rows: list[int]) -> float:
    """Return the largest difference between maps, relative to the largest value."""
    largest = 0.0
    for image, row in zip(x, rows, strict=True):
        ours, theirs = (rule(image, row).detach() for rule in method)
        unit = float(theirs.abs().max()) or 1.0
        largest = max(largest, float((ours - theirs).abs().max()) / unit)
    return largest


def time_method(method: Method, x: Tensor, rows: list[int]) -> dict[str, Any]:
    """Return the seconds per image of both, timed alternately."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number, (image, row) in enumerate(zip(x, rows, strict=True)):
        for name, rule in (("ours", method.ours), ("theirs", method.theirs)):
            started_at = time.perf_counter()
            rule(image, row)
            if number:  # the first is a warm-up
                seconds[name].append(time.perf_counter() - started_at)
    ours, theirs = (statistics.median(seconds[name]) for name in seconds)
    paired = zip(seconds["theirs"], seconds["ours"], strict=True)
    ratio = [t / o for t, o in paired]
    return {
        "seconds": ours,
        "captum": theirs,
        "ratio": theirs / ours,
        "min": min(ratio),
        "max": max(ratio),
    }


def time_to_accuracy(
    network: nn.Module, value_and_gradient: ValueAndGradient, x: Tensor, rows: list[int]
) -> dict[str, Any]:
    """Return seconds per image of integrated gradients whose sum is within 1 %."""
    attr: Any = import_module("captum.attr")
    path = attr.IntegratedGradients(network)
    seconds_taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    path_points, errors = [], []
    for image, row in zip(x, rows, strict=True):
        target = Target("", row)
        with torch.no_grad():
            both = target(network(torch.stack([image, torch.zeros_like(image)])))
        difference_of_outputs = float(both[0] - both[1])
        started_at = time.perf_counter()
        found = integrated_gradients(value_and_gradient, image, target)
        seconds_taken["ours"].append(time.perf_counter() - started_at)
        assert abs(float(found.sum()) - difference_of_outputs) <= 0.0101 * abs(
            difference_of_outputs
        )
        seconds, steps, error = 0.0, POINTS // 2, 1.0
        while error > 0.01 and steps < MOST_POINTS:
            steps *= 2
            started_at = time.perf_counter()
            found = path.attribute(
                image[None], target=row, n_steps=steps, internal_batch_size=POINTS
            )
            seconds = time.perf_counter() - started_at
            error = abs(float(found.sum()) - difference_of_outputs) / abs(
                difference_of_outputs
            )
            if steps == POINTS:
                errors.append(error)
        seconds_taken["theirs"].append(seconds)
        path_points.append(steps)
    ours, theirs = (statistics.median(values) for values in seconds_taken.values())
    return {
        "within 1 %": ours,
        "captum within 1 %": theirs,
        "ratio within 1 %": theirs / ours,
        "captum points": statistics.median(path_points),
        "relative error with 50, mean": statistics.mean(errors),
        "relative error with 50, max": max(errors),
    }


def p_value(gains: list[float]) -> float:
    """Return the p-value of a mean gain under random sign flips."""
    g, rng = np.array(gains), np.random.default_rng(0)
    signs = 2 * rng.integers(0, 2, (DRAWS, len(g))) - 1
    return float((1 + ((signs * g).mean(axis=1) >= g.mean()).sum()) / (1 + DRAWS))


def summarize(found: list[Faithfulness]) -> dict[str, Any]:
    """Return means over the images, and p-values."""
    named = ("deletion", "random_deletion", "insertion", "random_insertion")
    means = {k: statistics.mean(getattr(f, k) for f in found) for k in named}
    return {
        "n": len(found),
        **means,
        "p deletion": p_value([f.random_deletion - f.deletion for f in found]),
        "p insertion": p_value([f.insertion - f.random_insertion for f in found]),
        "significant alone": statistics.mean(f.better for f in found),
    }


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("weights", help="the weights, with torchvision's key names")
    parser.add_argument("directory", help="1,000 images, one per class, in class order")
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    model = load_pretrained(options.weights, device="cpu")
    network, explained = model.network_.eval(), get_explained_network(model)
    pixels = read_pixels(options.directory)
    rows_used = np.linspace(0, len(pixels) - 1, options.images).astype(int)
    x = to_input(pixels[rows_used], PREPROCESSING).contiguous()
    cropped = crop_pixels(pixels[rows_used], PREPROCESSING)
    tensors = torch.from_numpy(cropped).movedim(-1, 1)
    cropped = tensors.movedim(1, -1).numpy()
    predicted = explained.logits(cropped).argmax(dim=1).tolist()
    rows = []
    exact = copy.deepcopy(network).double()
    exact_methods = make_methods(exact, exact, exact)
    timed_images, timed_rows = x[: TIMED + 1], predicted[: TIMED + 1]
    # the second image selects the fastest
    value_and_gradient = [explained.value_and_gradient(image) for image in x[:2]][-1]
    print(
        f"gradients by {type(value_and_gradient).__name__}", file=sys.stderr, flush=True
    )
    prepared = make_methods(network, explained.folded_traced, value_and_gradient)
    times = {
        name: time_method(method, timed_images, timed_rows)
        for name, method in prepared.items()
    }
    for name, method in prepared.items():
        row = {
            "method": name,
            "difference": max_difference(
                exact_methods[name], timed_images[:5].double(), timed_rows[:5]
            ),
        }
        row |= {
            "as timed": max_difference(method, timed_images[:5], timed_rows[:5]),
            **times[name],
        }
        if name == "integrated_gradients":
            row |= time_to_accuracy(
                network, value_and_gradient, timed_images, timed_rows
            )
        found, map_seconds = [], []
        for k, image, tested in zip(predicted, x, tensors, strict=True):
            target = Target("", k)
            started_at = time.perf_counter()
            attribution = METHODS[name](explained, image)(image, target)
            found.append(
                measure_faithfulness(make_scorer(model, target), tested, attribution)
            )
            map_seconds.append(time.perf_counter() - started_at)
        row["map and test, seconds"] = statistics.median(map_seconds)
        rows.append(row | summarize(found))
        print(rows[-1], file=sys.stderr, flush=True)  # progress
    claim = f"attributions of MobileNetV2 on {options.images} photographs"
    print_result({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
