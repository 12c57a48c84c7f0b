"""Loading models of any domain: what does not fit is one message."""

import pytest

from vicinal.core.estimators.estimator import read_model, read_weights, save_model


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
