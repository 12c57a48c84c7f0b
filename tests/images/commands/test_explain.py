"""`vicinal explain` for images: attributions, their plots, and what is refused."""

import shutil

import pytest
from PIL import Image


@pytest.mark.parametrize("method", ["gradcam", "integrated_gradients", "occlusion"])
def test_an_attribution_is_tested_and_plotted(
    method, image_run, image_directory, tmp_path, run_command
):
    image, plot = image_directory / "dark" / "0.png", tmp_path / "attribution.png"
    words = ("--method", method, "--output", plot, "--json")
    found = run_command("explain", image_run, image, *words).json()
    (explanation,) = found["explanations"]
    assert explanation["method"] == method
    assert explanation["target"] in ("dark", "light")
    assert [len(explanation["map"]), len(explanation["map"][0])] == [8, 8]
    faithfulness = explanation["faithfulness"]
    assert set(faithfulness) >= {"deletion", "insertion", "p", "better"}
    assert ("Do not interpret" in explanation["verdict"]) != faithfulness["better"]
    with Image.open(plot) as drawn:
        assert drawn.width > 300 and found["plot"] == str(plot)


def test_all_methods_are_compared_in_one_plot(
    image_run, image_directory, tmp_path, run_command
):
    run = shutil.copytree(image_run, tmp_path / "run")
    image = image_directory / "light" / "1.png"
    output = run_command("explain", run, image, "--method", "all")
    assert output.code == 0 and output.out.count(" s): ") == 3
    assert (run / "explain" / "1-all.png").exists()


def test_one_class_against_another(
    image_run, image_directory, tmp_path, run_command, refused
):
    image, plot = image_directory / "dark" / "0.png", tmp_path / "contrast.svg"
    words = ("explain", image_run, image, "--target", "light", "--output", plot)
    found = run_command(*words, "--against", "dark", "--json").json()
    assert found["explanations"][0]["target"] == "light, not dark"
    assert "<svg" in plot.read_text()
    assert "two different classes" in refused(*words, "--against", "light")
    assert "no class 'grey'" in refused(*words, "--against", "grey")


def test_what_cannot_be_explained_is_refused(
    image_run, image_directory, tmp_path, refused
):
    (tmp_path / "broken.png").write_bytes(b"not an image")
    message = refused("explain", image_run, tmp_path / "broken.png")
    assert "broken.png cannot be read" in message
    message = refused("explain", image_run, image_directory)
    assert "Expected one image. Got 20" in message
    image = image_directory / "dark" / "0.png"
    message = refused("explain", image_run, image, "--output", "x.gif")
    assert "must end in .png, .svg, .pdf" in message
