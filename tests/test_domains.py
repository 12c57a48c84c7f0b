"""Loading models of any domain: what does not fit is one message."""

import pytest

from vicinal.core.estimators.estimator import read_model, read_weights, save_model
from vicinal.domains import load
from vicinal.images.training.fitted_model import FittedImageModel


@pytest.mark.parametrize("change", ["another shape", "a missing tensor"])
def test_weights_that_do_not_fit_the_model_are_one_message(
    change, image_run, image_directory, tmp_path, refused
):
    description = read_model(image_run)
    tensors = read_weights(image_run, description)
    weight = tensors.pop("fc.weight")
    if change == "another shape":
        tensors["fc.weight"] = weight[:, 1:]
    save_model(tmp_path / "model", description, tensors)
    message = refused("predict", tmp_path / "model", image_directory)
    assert "model.json does not describe a model that this version" in message
    assert "fc.weight" in message


@pytest.mark.parametrize("error", [AttributeError, AssertionError, NameError])
def test_a_fault_of_the_library_is_not_reported_as_damage(
    error, image_run, monkeypatch
):
    def fail(*_: object) -> None:
        raise error("ours")

    monkeypatch.setattr(FittedImageModel, "from_files", fail)
    with pytest.raises(error, match="ours"):
        load(image_run)
