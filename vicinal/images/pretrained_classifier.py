"""Pretrained weights as a classifier of their own classes, to inspect without training.

Weight files hold no class names: 1,000 classes are named as those of ImageNet, others
are numbered as the rows of the head.
"""

from pathlib import Path

from vicinal.core.compute.runtime import Runtime, find_device
from vicinal.core.objective import Objective, SingleLabel
from vicinal.core.storage.download import Log
from vicinal.errors import ModelFileError, SettingError
from vicinal.images.classifier import ImageClassifier
from vicinal.images.networks.base import Network
from vicinal.images.training.fitted_model import FittedImageModel, build_image_network
from vicinal.images.weights.class_names import class_names
from vicinal.images.weights.pretrained import LoadedWeights, load_weights


def load_pretrained(
    weights: str, *, device: str = "auto", log: Log = lambda text: None
) -> ImageClassifier:
    """Return the classifier of pretrained weights.

    weights: as for `pretrained.load_weights`, which raises its errors.
    SettingError for weights without a head.
    """
    source = load_weights(weights, log=log)
    if not source.classes:
        raise SettingError(
            f"{source.origin} has no head, so it cannot predict. Train one first: "
            f"vicinal train DATA --weights {weights}"
        )
    model = ImageClassifier(weights=weights, device=device)
    model.start_fit()
    names, note = class_names(source)
    log(note)
    objective = SingleLabel(names)
    network = _network(source, objective, weights)
    runtime = Runtime(find_device(device), channels_last=True)
    runtime.prepare(network).eval()
    model.model_ = FittedImageModel(
        objective=objective,
        constant_baseline=[0.0],
        network=network,
        preprocessing=source.preprocessing,
        backbone=source.backbone,
        options=dict(source.options),
        runtime=runtime,
    )
    return model


def _network(source: LoadedWeights, objective: Objective, weights: str) -> Network:
    """Return the network of pretrained weights; ModelFileError if they do not fit."""
    preprocessing = source.preprocessing
    network = build_image_network(
        source.backbone, source.options, objective, preprocessing
    )
    try:
        network.load_state_dict(source.tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip(" \t.")
        raise ModelFileError(
            f"The weights in {weights} do not fit {source.backbone} for images of "
            f"{preprocessing.image_size} pixels: {reason}. If they are for images of "
            f"another size, write it to {Path(weights).name}.json beside them: "
            '{"image_size": ...}.'
        ) from error
    return network
