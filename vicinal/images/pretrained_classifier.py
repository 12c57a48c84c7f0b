"""Trained weights as they came: a classifier of their own classes, to look into.

Nothing is learned. Which class is which the weights do not say: they are numbered in
the order of the head's rows.
"""

import numpy as np

from vicinal.core.compute.runtime import Runtime, find_device
from vicinal.core.objective import SingleLabel
from vicinal.core.storage.download import Tell
from vicinal.errors import SettingError
from vicinal.images.classifier import ImageClassifier
from vicinal.images.weights.pretrained import open_weights


def load_pretrained(
    weights: str, *, device: str = "auto", tell: Tell = lambda text: None
) -> ImageClassifier:
    """The classifier that weights are by themselves.

    weights: as `pretrained.open_weights` takes them, which raises its errors.
    SettingError for weights without a head.
    """
    source = open_weights(weights, tell=tell)
    if not source.classes:
        raise SettingError(
            f"{source.origin} has no head, so it gives no answers. Train one first: "
            f"vicinal train DATA --weights {weights}"
        )
    model = ImageClassifier(weights=weights, device=device)
    model.objective_ = SingleLabel(tuple(map(str, range(source.classes))))
    model.classes_ = np.array(model.objective_.classes)
    model.preprocessing_ = source.preprocessing
    model.backbone_, model.options_ = source.backbone, dict(source.options)
    model.network_ = model._build()
    model.network_.load_state_dict(source.tensors)
    model.runtime_ = Runtime(find_device(device), channels_last=True)
    model.runtime_.prepare(model.network_).eval()
    model.constant_baseline_, model.temperature_, model.known_ = [0.0], 1.0, None
    model.history_ = []
    return model
