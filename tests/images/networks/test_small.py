"""The small network: within its budget, and it learns."""

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from vicinal.images.networks.small import small


def multiply_additions(network: nn.Module, x: Tensor) -> int:
    """Products that one image takes, counted where they happen."""
    total = 0

    def count(layer: nn.Module, inputs: object, output: Tensor) -> None:
        nonlocal total
        weight = layer.get_parameter("weight")  # [out, ...]: one product each
        total += output[0].numel() * weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    network.eval()(x)
    return total


@pytest.mark.parametrize(
    ("size", "channels", "products", "parameters"),
    [
        (8, 1, 0.25e6, 15_000),
        (28, 1, 8e6, 250_000),
        (32, 3, 12e6, 300_000),
        (128, 3, 120e6, 1_500_000),
    ],
)
def test_parameters_and_products_are_within_the_budget(
    size, channels, products, parameters
):
    network = small(10, channels, size)
    assert sum(p.numel() for p in network.parameters()) <= parameters
    x = torch.zeros(1, channels, size, size)
    assert multiply_additions(network, x) <= products


def test_multiply_additions_are_counted_correctly():
    layer = nn.Conv2d(2, 3, 3, bias=False)  # 3 maps of 4x4 pixels, 2*3*3 products each
    assert multiply_additions(layer, torch.zeros(1, 2, 6, 6)) == 3 * 16 * 18


@pytest.mark.parametrize(
    ("size", "stages"),
    # 127 pixels: 64 after the first convolution, whose padding rounds up
    [(4, 1), (8, 2), (28, 3), (32, 4), (64, 5), (127, 5), (128, 5), (224, 5)],
)
def test_the_last_map_is_4_to_7_pixels_wide(size, stages):
    network = small(3, 1, size).eval()
    maps = network.stages(torch.zeros(1, 1, size, size))
    assert len(network.stages) == stages
    assert 4 <= maps.shape[-1] <= 7


def fit(network: nn.Module, x: Tensor, y: Tensor, epochs: int, lr: float) -> None:
    """AdamW on batches of 64, the learning rate going down to 0."""
    optimizer = torch.optim.AdamW(network.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(network(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()


def accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.inference_mode():
        logits = torch.cat([network.eval()(part) for part in x.split(500)])
    return (logits.argmax(1) == y).float().mean().item()


@pytest.mark.parametrize(
    ("size", "channels"), [(28, 1), pytest.param(65, 3, marks=pytest.mark.slow)]
)
def test_it_overfits_ten_images(size, channels):
    torch.manual_seed(0)
    network = small(5, channels, size)
    x, y = torch.randn(10, channels, size, size), torch.arange(10) % 5
    fit(network, x, y, epochs=60, lr=1e-2)
    assert F.cross_entropy(network(x), y) < 0.01


def test_it_learns_8x8_digits():
    pixels, labels = map(np.asarray, load_digits(return_X_y=True))
    torch.manual_seed(0)
    x = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
    y = torch.tensor(labels)
    network = small(image_size=8)
    fit(network, x[:1200], y[:1200], epochs=8, lr=1e-2)
    assert accuracy(network, x[1200:], y[1200:]) > 0.95


def read_idx(file: Path) -> Tensor:
    """Read MNIST's own format: two bytes, type, rank, the sizes, the values."""
    raw = gzip.decompress(file.read_bytes())
    sizes = np.frombuffer(raw, ">i4", raw[3], 4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    return torch.from_numpy(values.reshape(sizes).copy())


def augment(x: Tensor) -> Tensor:
    """Turn each digit by up to 10 degrees, scale it by 10 %, shift it by 2 pixels."""
    n = len(x)
    angle = math.radians(10) * (2 * torch.rand(n) - 1)
    scale = 1 + 0.1 * (2 * torch.rand(n) - 1)
    shift = 2 / 14 * (2 * torch.rand(2, n) - 1)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    matrix = torch.stack([cos, -sin, shift[0], sin, cos, shift[1]], 1).view(n, 2, 3)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


@pytest.mark.shared
@pytest.mark.slow
def test_it_learns_mnist(shared):
    folder = shared / "data" / "images" / "mnist"
    x, x_test = (
        (read_idx(next(folder.glob(f"{part}-images*")))[:, None] / 255 - 0.1307)
        / 0.3081
        for part in ("train", "t10k")
    )
    y, y_test = (
        read_idx(next(folder.glob(f"{part}-labels*"))).long()
        for part in ("train", "t10k")
    )
    torch.manual_seed(0)
    network = small()
    epochs, batch_size = 10, 256
    optimizer = torch.optim.AdamW(network.parameters())
    steps = epochs * math.ceil(len(x) / batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(batch_size):
            with torch.autocast("cpu", torch.bfloat16):
                images = augment(x[batch])
                logits = network(images.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), y[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    score = accuracy(network, x_test, y_test)
    print(f"MNIST after {epochs} epochs: {score:.4f}")
    assert score >= 0.994
