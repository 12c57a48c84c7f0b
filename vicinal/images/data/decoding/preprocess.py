"""Turn decoded pixels into the input of a network: centre crop and normalisation."""

import numpy as np
import torch
from torch import Tensor

from vicinal.images.data.decoding.decode import Preprocessing


def to_input(
    pixels: np.ndarray, preprocessing: Preprocessing, device: str = "cpu"
) -> Tensor:
    """Crop the centre of the images and normalise it, on the given device.

    pixels: [B, S, S, C] uint8; returns [B, C, H, W] float32, channels last in memory.
    """
    return center_crop(torch.from_numpy(pixels).to(device), preprocessing)


def center_crop(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Crop and normalise a tensor [B, S, S, C] of uint8; returns [B, C, H, W]."""
    margin = (preprocessing.store_size - preprocessing.image_size) // 2
    end = margin + preprocessing.image_size
    return normalize(to_planes(pixels[:, margin:end, margin:end]), preprocessing)


def normalize(x: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return (x - mean) / std per channel; x [B, C, H, W] in 0..1."""
    statistics = torch.tensor([preprocessing.mean, preprocessing.std], device=x.device)
    mean, std = statistics.view(2, 1, -1, 1, 1)
    return (x - mean) / std


def to_planes(pixels: Tensor) -> Tensor:
    """Convert uint8 pixels [B, H, W, C] to [B, C, H, W] in 0..1 (a view, scaled)."""
    return pixels.permute(0, 3, 1, 2).float() / 255
