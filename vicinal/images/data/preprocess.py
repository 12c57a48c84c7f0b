"""From decoded pixels to the input of a network: centre crop and normalisation."""

import numpy as np
import torch
from torch import Tensor

from vicinal.images.data.decode import Preprocessing


def to_input(
    pixels: np.ndarray, preprocessing: Preprocessing, device: str = "cpu"
) -> Tensor:
    """The network's input from pixels: the centre, normalised, made on a device.

    pixels: [B, S, S, C] uint8; gives [B, C, H, W] float32, channels last in memory.
    """
    return cropped(torch.from_numpy(pixels).to(device), preprocessing)


def cropped(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """`to_input` of pixels that are a tensor."""
    margin = (preprocessing.store_size - preprocessing.image_size) // 2
    end = margin + preprocessing.image_size
    return normalise(_planes(pixels[:, margin:end, margin:end]), preprocessing)


def normalise(x: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(x - mean) / std for each channel; x [B, C, H, W] in 0..1."""
    told = torch.tensor([preprocessing.mean, preprocessing.std], device=x.device)
    mean, std = told.view(2, 1, -1, 1, 1)
    return (x - mean) / std


def _planes(pixels: Tensor) -> Tensor:
    """Pixels [B, H, W, C] of uint8 as [B, C, H, W] in 0..1, without moving them."""
    return pixels.permute(0, 3, 1, 2).float() / 255
