"""`vicinal inspect` for images: layers, feature maps, one activation, galleries."""

import json
import re
import shutil
from functools import partial

import pytest
from PIL import Image

from vicinal.images.inspect import gallery


def test_layer_table(image_run, run_command):
    output = run_command("inspect", image_run)
    assert output.code == 0 and "stages.0.conv" in output.out
    assert re.search(r"convolutions: [\d,]+ parameters \(\d+ %\)", output.out)
    assert re.search(r"dense layers: .* 1\.0 per parameter", output.out)
    rows = run_command("inspect", image_run, "--json").json()["layers"]
    assert rows[0]["name"] == "stages.0.conv" and rows[-1]["shape"] == [2]
    parameters = json.loads((image_run / "metrics.json").read_text())["parameters"]
    assert sum(row["parameters"] for row in rows) == parameters


def test_one_activation_is_the_sum_of_its_terms(
    image_run, image_directory, tmp_path, run_command
):
    image, plot = image_directory / "dark" / "0.png", tmp_path / "activation.png"
    words = ("inspect", image_run, image, "--layer", "stages.0.conv", "--at", "3,0,7")
    output = run_command(*words, "--output", plot)
    assert output.code == 0 and plot.exists()
    field = "receptive field: 2 x 2 pixels, rows 0 to 1, columns 6 to 7"
    assert field in output.out
    assert "weighted sum of 9 terms" in output.out and "padding" in output.out
    (number,) = run_command(*words, "--json").json()["numbers"]
    total = sum(term["product"] for term in number["terms"]) + number["constant"]
    assert total == pytest.approx(number["value"], abs=1e-5)
    assert sum(term["position"] is None for term in number["terms"]) == 5


def test_an_activation_is_traced_back_to_the_image(
    image_run, image_directory, run_command
):
    image = image_directory / "dark" / "0.png"
    words = ("--layer", "fc", "--at", "1", "--trace-back", "--json")
    numbers = run_command("inspect", image_run, image, *words).json()["numbers"]
    assert numbers[0]["layer"] == "fc" and numbers[-1]["layer"] == "stages.0.conv"


def test_feature_maps_of_a_layer(
    image_run, image_directory, tmp_path, run_command, refused
):
    image, plot = image_directory / "dark" / "0.png", tmp_path / "maps.pdf"
    words = ("inspect", image_run, image, "--layer", "stages.0.relu")
    output = run_command(*words, "--output", plot)
    assert "stages.0.relu: 16 feature maps of 8 x 8" in output.out and plot.exists()
    assert run_command(*words, "--json").json()["shape"] == [16, 8, 8]
    message = refused("inspect", image_run, image, "--layer", "fc")
    assert "a vector of 2, not feature maps" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--layer stages.0.cnv", "no layer 'stages.0.cnv'. Did you mean"),
        ("--layer stages.0.conv --at a,b", "--at must be channel,row,column"),
        ("--layer stages.0.conv --at 3,0,8", "Got 3,0,8 instead"),
        ("--at 3,0,7", "need a --layer"),
        ("--trace-back --layer fc", "--trace-back needs --at"),
        ("--show filters --at 3,0,7", "leave --show filters out"),
    ],
)
def test_unknown_positions_are_refused(
    words, message, image_run, image_directory, refused
):
    image = image_directory / "dark" / "0.png"
    assert message in refused("inspect", image_run, image, *words.split())


@pytest.fixture
def few_steps(monkeypatch):
    """Synthesise images in few steps."""
    quick = partial(gallery.visualize_feature, steps=8)
    monkeypatch.setattr(gallery, "visualize_feature", quick)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("filters", "16 filters of 3 x 3"),
        ("patches --layer stages.0.conv", "channel "),
        ("synthesis --layer fc --channels 1", "channel 1: mean activation from"),
        ("synthesis --target light", "light: logit from"),
    ],
)
def test_galleries(words, text, image_run, tmp_path, run_command, few_steps):
    words = ("--show", *words.split(), "--output", tmp_path / "gallery.png")
    output = run_command("inspect", image_run, *words)
    assert output.code == 0 and text in output.out
    assert ("about 20 s" in output.out) == ("synthesis" in words)
    with Image.open(tmp_path / "gallery.png") as drawn:
        assert drawn.width > 100


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("patches", "--show patches needs a --layer"),
        ("synthesis", "(--layer and --channels) or a class"),
        ("synthesis --layer stages.0.cnv", "no layer 'stages.0.cnv'"),
        ("synthesis --layer stages.0.conv --channels 16", "channels 0 to 15. Got 16"),
        ("synthesis --target grey", "There is no class 'grey'"),
        ("synthesis --target light --seed -1", "seed must be a whole number"),
        ("filters --layer fc", "leave --layer out"),
        ("patches --layer stages.0.conv --channels 16", "channels 0 to 15. Got 16"),
        ("filters --output /dev/null/x.png", "cannot be written"),
    ],
)
def test_impossible_galleries_are_refused(words, message, image_run, run_command):
    output = run_command("inspect", image_run, "--show", *words.split())
    assert output.code == 2 and message in output.err
    assert output.out == ""  # nothing is promised before the arguments are checked


def test_channels_must_be_numbers(image_run, run_command):
    output = run_command("inspect", image_run, "--show", "filters", "--channels", "x")
    assert output.code == 2 and "--channels" in output.err and "'x'" in output.err


def test_a_run_whose_images_are_gone(image_run, tmp_path, refused):
    run = shutil.copytree(image_run, tmp_path / "run")
    settings = json.loads((run / "settings.json").read_text())
    settings["data"] = str(tmp_path / "gone")
    (run / "settings.json").write_text(json.dumps(settings))
    assert "are no longer in" in refused("inspect", run)
    assert "are no longer in" in refused("report", run, "--shortcuts")
