"""What an answer of a trained model rests on: one picture, one number, a map.

=====================  ====================================================  ==========
method                 asks                                                  room
=====================  ====================================================  ==========
gradcam                which of the last maps speak for it, and where        gradcam
integrated_gradients   what each pixel adds, on the way from nothing         same name
occlusion              what it costs to cover a part                         occlusion
=====================  ====================================================  ==========

Each map comes with how it does beside random ones (`faithfulness`), and with how much
of it is left when there is a little noise in the picture.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vicinal.errors import ImageError, NoDataError, SettingError, near_names
from vicinal.images.data.csv_tables import ENDINGS
from vicinal.images.data.decode import Preprocessing
from vicinal.images.data.preprocess import to_input
from vicinal.images.explain.explanation import PictureExplanation
from vicinal.images.explain.faithfulness import Ask, faithfulness
from vicinal.images.explain.gradcam import grad_cam
from vicinal.images.explain.integrated_gradients import integrated_gradients
from vicinal.images.explain.occlusion import occlusion
from vicinal.images.tracing.explained_network import ExplainedNetwork, forms_of
from vicinal.images.tracing.target import Target, target_of

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

NOISE = 0.05
"""spread of the noise that a map should bear, in spreads of a channel"""

Rule = Callable[[Tensor, Target], Tensor]
"""gives a map [H, W] for a picture [C, H, W], as the network gets it"""

Method = Callable[[ExplainedNetwork, np.ndarray], Rule]
"""gives its rule for a network and a picture: pixels [H, W, C] that are seen"""


def _last_maps(forms: ExplainedNetwork, pixels: np.ndarray) -> Rule:
    return lambda x, target: grad_cam(forms.steps, x, target)


def _added_up(forms: ExplainedNetwork, pixels: np.ndarray) -> Rule:
    asked = forms.asked(pixels)
    return lambda x, target: integrated_gradients(asked, x, target).sum(dim=0)


def _covered(forms: ExplainedNetwork, pixels: np.ndarray) -> Rule:
    asked, window = forms.asked(pixels), max(2, len(pixels) // 7)
    return lambda x, target: occlusion(asked, x, target, window, max(1, window // 2))


METHODS: dict[str, Method] = {
    "gradcam": _last_maps,
    "integrated_gradients": _added_up,
    "occlusion": _covered,
}
"""What `explain` takes as its method."""


def explain(
    model: "ImageModel",
    X: Any,
    method: str = "gradcam",
    *,
    target: str | None = None,
    against: str | None = None,
    seed: int = 0,
) -> PictureExplanation:
    """The parts of one picture that one number of a model rests on.

    X: a picture, as `predict` takes it. target: the class to be explained; None: the
    one that the model names, or the number that it gives. against: another class: why
    not that one. SettingError for a method that is unknown, ClassError for a class.
    """
    prepare = method_of(method)
    forms, how = forms_of(model), model.preprocessing_
    forms.engines.begin()
    stored = one_picture(model, X)
    pixels, device = seen_pixels(stored, how), next(model.network_.parameters()).device
    x = to_input(stored[None], how, str(device))[0]
    logits = forms.answer(pixels[None], many=False)
    wanted = target_of(model.objective_, target, against, logits[0])
    rule = prepare(forms, pixels)
    started_at = time.perf_counter()
    found = rule(x, wanted)
    seconds = time.perf_counter() - started_at
    if not torch.isfinite(found).all():
        raise SettingError(
            f"The {method} map of this picture is no number: the network's weights, or "
            "what it computes of them, are not finite. Train it anew."
        )
    g = torch.Generator().manual_seed(seed)
    noise = NOISE * torch.randn(x.shape, generator=g).to(x)
    again = rule(x + noise, wanted).cpu().numpy()
    seen, drawn = torch.tensor(pixels).movedim(-1, 0), found.cpu()
    return PictureExplanation(
        method=method,
        target=wanted.name,
        score=float(told(model, logits, wanted)[0]),
        map=drawn.numpy(),
        seconds=seconds,
        faithfulness=faithfulness(asking(model, wanted), seen, drawn, seed=seed),
        stability=correlation(drawn.numpy(), again),
        picture=pixels,
    )


def method_of(name: str) -> Method:
    """The method of a name; SettingError for one that is unknown."""
    if name in METHODS:
        return METHODS[name]
    raise SettingError(f"There is no method {name!r}. {near_names(name, METHODS)}")


def one_picture(model: "ImageModel", X: Any) -> np.ndarray:
    """The pixels [S, S, C] of one picture as the model stores it.

    PictureError where it cannot be read, NoDataError where X is none, or many.
    """
    if isinstance(X, (str, Path)) and Path(X).suffix.lower() in ENDINGS:
        raise ImageError(f"{X} is a table or a text, where one picture was wanted.")
    table = model._unlabelled(X)
    if len(table) != 1:
        raise NoDataError(
            f"One picture is explained at a time. Got {len(table)}: name one file, or "
            "give an array [1, H, W(, C)]."
        )
    names, reasons, pixels = next(model._batches(table))
    if reasons[0] is not None:
        raise ImageError(f"{names[0]} cannot be read: {reasons[0]}.")
    return pixels[0]


def seen_pixels(pixels: np.ndarray, how: Preprocessing) -> np.ndarray:
    """Of the stored pixels [..., S, S, C], the middle [..., H, W, C] that is seen."""
    margin = (how.store_size - how.image_size) // 2
    end = margin + how.image_size
    return pixels[..., margin:end, margin:end, :]


def asking(model: "ImageModel", target: Target) -> Ask:
    """The target's answer for pictures [N, C, H, W] of uint8."""
    forms = forms_of(model)

    def ask(x: Tensor) -> Tensor:
        pixels = x.movedim(1, -1).contiguous().numpy()
        return told(model, forms.answer(pixels), target)

    return ask


def told(model: "ImageModel", logits: Tensor, target: Target) -> Tensor:
    """A calibrated probability [N] for logits [N, K], or the number."""
    objective = model.objective_
    if objective.kind == "numeric":
        return logits[:, 0]
    logits = logits / model.temperature_
    if target.against is not None:
        return torch.sigmoid(target(logits))
    return torch.from_numpy(objective.predict(logits))[:, target.row]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's, of two maps; 1 where both are constant, 0 where one is."""
    flat = a.std() < 1e-12, b.std() < 1e-12
    if any(flat):
        return float(all(flat))
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
