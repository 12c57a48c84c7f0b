"""MobileNetV2 with pretrained weights on one photograph of each ImageNet class: what
the padding that the weights were trained with is worth.

The folder's sorted file order is ImageNet's class order. Short side to 256 px, centre
224 px, x / 127.5 - 1; nothing is trained.

    python -m benchmarks.imagenet_sample WEIGHTS.safetensors FOLDER
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import vicinal
from benchmarks.measure import tell
from vicinal.core.compute.runtime import Runtime
from vicinal.core.metrics import Score, accuracy
from vicinal.core.storage.checkpoint import load_tensors
from vicinal.images.data.audit import ImageReader, looks
from vicinal.images.data.decode import Preprocessing, to_channels
from vicinal.images.data.inputs import list_pictures
from vicinal.images.data.preprocess import to_input
from vicinal.images.networks import build
from vicinal.images.networks.mobilenet import Padding

HOW = Preprocessing(224, 256, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def read_pixels(folder: str) -> np.ndarray:
    """All pictures [N, 256, 256, 3] in the order of their names."""
    table = list_pictures([folder])
    pixels = [look.pixels for look in looks(table, ImageReader(HOW.store_size, "crop"))]
    return np.stack([to_channels(p, 3) for p in pixels if p is not None])


@torch.inference_mode()
def top_1(weights: Path, padding: Padding, pixels: np.ndarray) -> Score:
    """Share of pictures whose class has the largest logit."""
    network = build("mobilenet_v2", num_classes=1000, padding=padding)
    network.load_state_dict(load_tensors(weights)[0])
    form = Runtime(channels_last=True)
    form.prepare(network).eval()
    said = [
        network(form.place(to_input(pixels[i : i + 50], HOW))).argmax(dim=1)
        for i in range(0, len(pixels), 50)
    ]
    return accuracy(np.arange(len(pixels)), torch.cat(said).numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", help="the weights, with torchvision's key names")
    parser.add_argument("folder", help="1,000 pictures, one per class, in class order")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    pixels = read_pixels(options.folder)
    paddings: tuple[Padding, ...] = ("tensorflow", "symmetric")
    scores = {p: top_1(Path(options.weights), p, pixels) for p in paddings}
    told = {
        "claim": f"MobileNetV2, top-1, float32, vicinal {vicinal.__version__}",
        "ratio": scores["tensorflow"].value / scores["symmetric"].value,
        "rows": [{"padding": p, **s.to_dict()} for p, s in scores.items()],
    }
    tell(told, options.json)


if __name__ == "__main__":
    main()
