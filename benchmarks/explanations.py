"""What an answer rests on, beside Captum: the same maps, sooner, held against chance.

MobileNetV2 with pretrained weights on photographs of ImageNet, float32, one network.
For each method: the largest difference from Captum's map, as a share of its largest
number; seconds a picture of both, in turns; and the mean deletion and insertion score
beside those of random maps as smooth, with the chance of such a gain if there were none
(a sign flip of each picture's gain). Integrated gradients: both with 50 points for the
comparison; the scores are of the map that `explain` gives.

    python -m benchmarks.explanations WEIGHTS.safetensors FOLDER [--pictures 200]

Captum is no dependency of the project: it takes an environment that has both.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.imagenet_sample import HOW, read_pixels
from benchmarks.measure import tell
from vicinal.core.checkpoint import load_tensors
from vicinal.core.explanation import Faithfulness
from vicinal.core.runtime import Runtime
from vicinal.images.augment import to_input
from vicinal.images.inside.explain import METHODS
from vicinal.images.inside.faithfulness import faithfulness
from vicinal.images.inside.gradcam import grad_cam
from vicinal.images.inside.integrated_gradients import integrated_gradients
from vicinal.images.inside.occlusion import occlusion
from vicinal.images.inside.target import Target
from vicinal.images.networks import build

WINDOW, STRIDE = 32, 16
"""pixels, of the square that is covered"""

POINTS = 50
"""of integrated gradients, for the comparison"""

TIMED = 10
"""pictures on which both are timed"""

DRAWS = 20_000


class Rival(NamedTuple):
    """One method, ours and Captum's: from a picture and a class row to a map."""

    ours: Callable[[Tensor, int], Tensor]
    theirs: Callable[[Tensor, int], Tensor]


def rivals(network: nn.Module) -> dict[str, Rival]:
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

    def ours(x: Tensor, row: int, rule: Callable[..., Tensor]) -> Tensor:
        return rule(network, x, Target("", row))

    def cover(network: nn.Module, x: Tensor, target: Target) -> Tensor:
        return occlusion(network, x, target, WINDOW, STRIDE)

    points = partial(integrated_gradients, steps=POINTS)
    cam = partial(grad_cam, layer=last)
    return {
        "gradcam": Rival(partial(ours, rule=cam), their_cam),
        "integrated_gradients": Rival(partial(ours, rule=points), their_path),
        "occlusion": Rival(partial(ours, rule=cover), their_cover),
    }


def timed(rival: Rival, x: Tensor, rows: list[int]) -> dict[str, Any]:
    """Both on some pictures in turns: seconds, and how far apart they are."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    apart = 0.0
    for number, (picture, row) in enumerate(zip(x, rows, strict=True)):
        maps = []
        for name, rule in (("ours", rival.ours), ("theirs", rival.theirs)):
            begun = time.perf_counter()
            maps.append(rule(picture, row).detach())
            if number:  # the first warms up
                seconds[name].append(time.perf_counter() - begun)
        largest = float(maps[1].abs().max()) or 1.0
        apart = max(apart, float((maps[0] - maps[1]).abs().max()) / largest)
    ours, theirs = (statistics.median(seconds[name]) for name in seconds)
    paired = zip(seconds["theirs"], seconds["ours"], strict=True)
    ratio = [t / o for t, o in paired]
    return {
        "difference": apart,
        "seconds": ours,
        "captum": theirs,
        "ratio": theirs / ours,
        "least": min(ratio),
        "most": max(ratio),
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
    network = build("mobilenet_v2", num_classes=1000, padding="tensorflow").eval()
    network.load_state_dict(load_tensors(Path(options.weights))[0])
    pixels = read_pixels(options.folder)
    spread = np.linspace(0, len(pixels) - 1, options.pictures).astype(int)
    x = to_input(pixels[spread], HOW).contiguous()
    fast = Runtime(precision="bfloat16", channels_last=True)

    @torch.no_grad()
    def logits(x: Tensor) -> Tensor:
        with fast.active():
            return network(fast.place(x)).float()

    def probability(x: Tensor, row: int) -> Tensor:
        return torch.softmax(logits(x), dim=1)[:, row]

    said = torch.cat([logits(part) for part in x.split(50)]).argmax(dim=1).tolist()
    rows = []
    for name, rival in rivals(network).items():
        row = {"method": name, **timed(rival, x[: TIMED + 1], said[: TIMED + 1])}
        found = []
        for picture, k in zip(x, said, strict=True):
            drawn = METHODS[name](network, picture, Target("", k))
            found.append(faithfulness(partial(probability, row=k), picture, drawn))
        rows.append(row | scored(found))
    claim = f"explanations of MobileNetV2 on {options.pictures} photographs"
    tell({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
