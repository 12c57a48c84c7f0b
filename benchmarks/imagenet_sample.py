"""MobileNetV2 with pretrained weights on one photograph of each ImageNet class: the
effect of using the padding that the weights were trained with.

The sorted file order of the directory is ImageNet's class order. Short side 256 px,
centre crop 224 px, x / 127.5 - 1; nothing is trained.

    python -m benchmarks.imagenet_sample WEIGHTS.safetensors DIRECTORY
"""

from pathlib import Path

import numpy as np
import torch

import vicinal
from benchmarks.measure import make_parser, print_result
from vicinal.core.compute.runtime import Runtime
from vicinal.core.metrics import Score, accuracy
from vicinal.core.storage.checkpoint import load_tensors
from vicinal.images.data.audit import ImageReader, decode_images
from vicinal.images.data.decoding.decode import Preprocessing, to_channels
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.data.inputs import list_images
from vicinal.images.networks import build
from vicinal.images.networks.mobilenet import Padding

PREPROCESSING = Preprocessing(224, 256, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def read_pixels(directory: str) -> np.ndarray:
    """Return all images [N, 256, 256, 3] in the order of their names."""
    table = list_images([directory])
    pixels = [
        image.pixels
        for image in decode_images(table, ImageReader(PREPROCESSING.store_size, "crop"))
    ]
    return np.stack([to_channels(p, 3) for p in pixels if p is not None])


@torch.inference_mode()
def top_1_accuracy(weights: Path, padding: Padding, pixels: np.ndarray) -> Score:
    """Return the top-1 accuracy."""
    network = build("mobilenet_v2", num_classes=1000, padding=padding)
    network.load_state_dict(load_tensors(weights)[0])
    runtime = Runtime(channels_last=True)
    runtime.prepare(network).eval()
    predicted = [
        network(runtime.move(to_input(pixels[i : i + 50], PREPROCESSING))).argmax(dim=1)
        for i in range(0, len(pixels), 50)
    ]
    return accuracy(np.arange(len(pixels)), torch.cat(predicted).numpy())


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("weights", help="the weights, with torchvision's key names")
    parser.add_argument("directory", help="1,000 images, one per class, in class order")
    options = parser.parse_args()
    pixels = read_pixels(options.directory)
    paddings: tuple[Padding, ...] = ("tensorflow", "symmetric")
    scores = {p: top_1_accuracy(Path(options.weights), p, pixels) for p in paddings}
    result = {
        "claim": f"MobileNetV2, top-1, float32, vicinal {vicinal.__version__}",
        "ratio": scores["tensorflow"].value / scores["symmetric"].value,
        "rows": [{"padding": p, **s.to_dict()} for p, s in scores.items()],
    }
    print_result(result, options.json)


if __name__ == "__main__":
    main()
