"""Explain a prediction of a trained model for one image, by an attribution map.

====================  ============================================
method                attribution of a pixel
====================  ============================================
gradcam               weighted activations of the last feature map
integrated_gradients  its contribution to the logit
occlusion             decrease of the logit when it is covered
====================  ============================================

Each map is compared with random controls (`faithfulness`) and with the map of the image
plus a little noise (stability).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vicinal.core.settings import check_seed
from vicinal.errors import ImageError, NoDataError, SettingError, suggest_names
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.data.sources.csv_tables import CSV_SUFFIXES
from vicinal.images.explain.explanation import ImageExplanation
from vicinal.images.explain.faithfulness import ScoreFunction, measure_faithfulness
from vicinal.images.explain.gradcam import grad_cam
from vicinal.images.explain.integrated_gradients import integrated_gradients
from vicinal.images.explain.occlusion import occlusion
from vicinal.images.tracing.explained_network import (
    ExplainedNetwork,
    get_explained_network,
)
from vicinal.images.tracing.target import Target, select_target

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

NOISE = 0.05
"""standard deviation of the noise that tests stability, in preprocessed units"""

AttributionFunction = Callable[[Tensor, Target], Tensor]
"""maps a preprocessed image [C, H, W] and a target to a map [H, W]"""

Method = Callable[[ExplainedNetwork, Tensor], AttributionFunction]
"""prepares a network for attributions of a preprocessed image [C, H, W]"""


def _grad_cam(network: ExplainedNetwork, image: Tensor) -> AttributionFunction:
    traced = network.traced
    return lambda x, target: grad_cam(traced, x, target)


def _integrated_gradients(
    network: ExplainedNetwork, image: Tensor
) -> AttributionFunction:
    function = network.value_and_gradient(image)
    return lambda x, target: integrated_gradients(function, x, target).sum(dim=0)


def _occlusion(network: ExplainedNetwork, image: Tensor) -> AttributionFunction:
    function = network.value_and_gradient(image)

    def attribute(x: Tensor, target: Target) -> Tensor:
        window = max(2, x.shape[-2] // 7)
        return occlusion(function, x, target, window, max(1, window // 2))

    return attribute


METHODS: dict[str, Method] = {
    "gradcam": _grad_cam,
    "integrated_gradients": _integrated_gradients,
    "occlusion": _occlusion,
}
"""values of the `method` parameter of `explain`"""


def explain(
    model: "ImageModel",
    X: Any,
    method: str = "gradcam",
    *,
    target: str | None = None,
    against: str | None = None,
    seed: int = 0,
) -> ImageExplanation:
    """Explain the prediction of a model for one image.

    X: one image, in any form that `predict` takes. target: the class to explain; None:
    the predicted class, or the predicted number. against: another class, to explain why
    `target` rather than this one. seed: of the random controls. SettingError for an
    unknown method or an invalid seed, ClassError for an unknown class.
    """
    prepare = get_method(method)
    check_seed(seed)
    network, preprocessing = get_explained_network(model), model.preprocessing_
    network.engines.preload()
    stored = read_single_image(model, X)
    pixels = crop_pixels(stored, preprocessing)
    device = next(model.network_.parameters()).device
    x = to_input(stored[None], preprocessing, str(device))[0]
    logits = network.logits(pixels[None], many=False)
    explained = select_target(model.objective_, target, against, logits[0])
    attribute = prepare(network, x)
    started_at = time.perf_counter()
    attribution = attribute(x, explained)
    seconds = time.perf_counter() - started_at
    if not torch.isfinite(attribution).all():
        raise SettingError(
            f"The {method} map of this image is not finite: the weights or activations "
            "of the network contain NaN or infinity. Train the model again."
        )
    generator = torch.Generator().manual_seed(int(seed))
    noise = NOISE * torch.randn(x.shape, generator=generator).to(x)
    noisy_attribution = attribute(x + noise, explained).cpu().numpy()
    image, saliency = torch.tensor(pixels).movedim(-1, 0), attribution.cpu()
    return ImageExplanation(
        method=method,
        target=explained.name,
        score=float(target_scores(model, logits, explained)[0]),
        map=saliency.numpy(),
        seconds=seconds,
        faithfulness=measure_faithfulness(
            make_scorer(model, explained), image, saliency, seed=seed
        ),
        stability=correlation(saliency.numpy(), noisy_attribution),
        image=pixels,
    )


def get_method(name: str) -> Method:
    """Return the method of a name; SettingError for an unknown one."""
    if name in METHODS:
        return METHODS[name]
    raise SettingError(f"There is no method {name!r}. {suggest_names(name, METHODS)}")


def read_single_image(model: "ImageModel", X: Any) -> np.ndarray:
    """Return the stored pixels [S, S, C] of one image.

    ImageError for an unreadable image, NoDataError if X is not exactly one image.
    """
    if isinstance(X, (str, Path)) and Path(X).suffix.lower() in CSV_SUFFIXES:
        raise ImageError(f"Expected one image file. Got the table {X} instead.")
    table = model.read_unlabelled(X)
    if len(table) != 1:
        raise NoDataError(
            f"Expected one image. Got {len(table)} instead: name one file, or pass an "
            "array [1, H, W(, C)]."
        )
    [(names, reasons, pixels)] = model.read_batches(table)
    if reasons[0] is not None:
        raise ImageError(f"{names[0]} cannot be read: {reasons[0]}.")
    return pixels[0]


def crop_pixels(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Crop stored pixels [..., S, S, C] to the network's input [..., H, W, C]."""
    margin = (preprocessing.store_size - preprocessing.image_size) // 2
    end = margin + preprocessing.image_size
    return pixels[..., margin:end, margin:end, :]


def make_scorer(model: "ImageModel", target: Target) -> ScoreFunction:
    """Return the function from images [N, C, H, W] of uint8 to the target's scores."""
    network = get_explained_network(model)

    def score(x: Tensor) -> Tensor:
        pixels = x.movedim(1, -1).contiguous().numpy()
        return target_scores(model, network.logits(pixels), target)

    return score


def target_scores(model: "ImageModel", logits: Tensor, target: Target) -> Tensor:
    """Return calibrated probabilities [N], or numbers in the unit of the labels [N]."""
    objective = model.objective_
    if objective.kind == "numeric":
        return torch.from_numpy(objective.predict(logits))
    logits = logits / model.temperature_
    if target.against is not None:
        return torch.sigmoid(target(logits))
    return torch.from_numpy(objective.predict(logits))[:, target.row]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation of two maps; 1 if both are constant, 0 if one is."""
    constant = a.std() < 1e-12, b.std() < 1e-12
    if any(constant):
        return float(all(constant))
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
