"""`vicinal check` for images: what can be used, what cannot, and why."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

GREY: dict[str, Any] = {"height": 8, "width": 8, "channels": 1}


def write_table(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode("utf-8-sig"))  # with the byte order mark of Excel
    return path


def test_classes_and_usable_images_are_counted(image_directory, run_command):
    output = run_command("check", image_directory)
    assert output.code == 0 and output.err == ""
    assert "20 images: 20 usable, 0 quarantined" in output.out
    assert re.search(r"dark +10\n +light +10\n +total +20\n", output.out)
    assert "task: classification (one class per image)\n" in output.out


def test_json_has_counts_sizes_and_formats(image_directory, run_command):
    found = run_command("check", image_directory, "--json").json()
    assert (found["usable"], found["quarantined"]) == (20, 0)
    assert found["task"] == "classification"
    assert found["statistics"] == {
        "images": 20,
        "sizes": {"width": [8, 8, 8], "height": [8, 8, 8]},
        "grayscale": 20,
        "formats": {"PNG": 20},
    }
    assert [row["images"] for row in found["classes"]] == [10, 10]


def test_the_task_and_the_splits_of_a_table(image_directory, tmp_path, run_command):
    rows = (
        f"{image_directory}/dark/{k}.png,{k}.5,{'test' if k < 3 else ''}\n"
        for k in range(8)
    )
    path = write_table(tmp_path, "path,label,split\n" + "".join(rows))
    output = run_command("check", path).out
    assert "task: regression (a number per image, 0.5 to 7.5)\n" in output
    assert re.search(r"class +train +test\n +total +5 +3\n", output)


def test_a_label_that_is_not_a_number_is_quarantined(
    image_directory, tmp_path, run_command
):
    rows = [f"{image_directory}/dark/{k % 10}.png,{k}.25" for k in range(10)]
    rows += [f"{image_directory}/light/{k}.png,{k}.5" for k in range(10)]
    rows += [f"gone{k}.png,{k}.75" for k in range(15)] + ["x.png,many"]
    path = write_table(tmp_path, "path,label\n" + "\n".join(rows))
    found = run_command("check", path, "--json").json()
    assert found["task"] == "regression" and found["usable"] == 20
    reason = "row 37: the label 'many' is not a number"
    assert reason in str(found["quarantine"])


def test_numbers_with_a_decimal_comma(image_directory, tmp_path, run_command, refused):
    rows = [f"{image_directory}/dark/{k}.png;{k},{k}" for k in range(10)]
    path = write_table(tmp_path, "path;weight\n" + "\n".join(rows))
    found = run_command("check", path, "--target", "weight", "--json").json()
    assert found["task"] == "regression"
    assert "0,0 is read as 0.0" in found["notes"][0]
    assert "Name it with --target" in refused("check", path)
    path = write_table(tmp_path, f"path;label\n{image_directory}/dark/1.png;1,250\n")
    assert "Write it as 1.250 or 1250" in refused("check", path)
    assert run_command("check", path, "--task", "classification").code == 0


def test_label_corrections(image_directory, tmp_path, run_command, refused):
    path = tmp_path / "labels.csv"
    path.write_text("path,label\ndark/0.png,light\nlight/3.png,-\n")
    words = ("check", image_directory, "--label-corrections", path)
    found = run_command(*words, "--json").json()
    counts = {row["class"]: row["images"] for row in found["classes"]}
    assert counts == {"dark": 9, "light": 10}
    path.write_text("path,label\ndark/99.png,light\n")
    assert refused(*words).startswith(f"{path} names 1 file that is not in the data")
    path.write_text("path,label\ndark/0.png,ligth\n")
    assert "Did you mean 'light'" in refused("train", *words[1:])


def test_one_class_is_noted(make_directory, run_command):
    output = run_command("check", make_directory({"cat": 4}, **GREY))
    assert "note: there is one class only ('cat')" in output.out


def test_class_names_that_differ_in_case_are_noted(make_directory, run_command):
    root = make_directory({"Cat": 2, "cat": 2, "dog": 1})
    found = run_command("check", root, "--json").json()
    assert [row["class"] for row in found["classes"]] == ["Cat", "cat", "dog"]
    assert "differ only in case or spaces: 'Cat', 'cat'" in found["notes"][0]


def test_hidden_directories_and_symbolic_links_in_a_loop(
    make_directory, tmp_path, run_command
):
    root = make_directory({"cat": 3, "dog": 3, ".ipynb_checkpoints": 2}, **GREY)
    (root / "cat" / "again").symlink_to("..", target_is_directory=True)
    (root / "dog" / "self").symlink_to(".", target_is_directory=True)
    (root / "0.png").write_bytes((root / "cat" / "0.png").read_bytes())
    found = run_command("check", root, "--json").json()
    assert [row["class"] for row in found["classes"]] == ["cat", "dog"]
    notes = " ".join(found["notes"])
    assert "hidden directories skipped: '.ipynb_ch" in notes
    assert "links to a parent directory skipped" in notes
    assert [row["name"] for row in found["quarantine"]] == ["0.png"]


EMPTY: list[tuple[dict[str, Any], str]] = [
    ({}, r"holds no images\b.*Expected a directory per class"),
    ({"cat": {}, "dog": {}}, "directories without images: 'cat', 'dog'"),
    ({"a": {"x.txt": b"", "y.pdf": b""}}, "without an image suffix skipped: 1 .txt, 1"),
    ({".ipynb_checkpoints": {"a.png": b"x"}}, "hidden directories skipped: '.ipynb_"),
    (
        {"a": {"a.png": b""}, "b": {"b.png": b""}},
        r"None of the 2 .* is empty \(0 bytes\)",
    ),
]


@pytest.mark.parametrize(("directories", "message"), EMPTY)
def test_directories_without_a_usable_image_are_refused(
    directories, message, tmp_path, refused, run_command, image_run
):
    root = tmp_path / "data"
    root.mkdir()
    for name, files in directories.items():
        (root / name).mkdir()
        for file, content in files.items():
            (root / name / file).write_bytes(content)
    flags = ("--domain", "images", "--out", tmp_path / "out")
    assert re.search(message, refused("train", root, *flags))
    assert not (tmp_path / "out").exists()
    assert re.search(message, refused("evaluate", image_run, root))
    words = ("check", root, "--domain", "images")
    if "None of" not in message:
        assert re.search(message, refused(*words))
        return
    refused(*words)
    output = run_command(*words).out
    assert "2 images: 0 usable" in output and "the file is empty" in output


@pytest.mark.parametrize("command", ["train", "check", "evaluate"])
def test_a_file_in_place_of_a_directory_is_refused(
    command, image_run, image_directory, refused
):
    words: tuple[Any, ...] = (command, "--domain", "images")
    if command == "evaluate":
        words = (command, image_run)
    for path in (image_directory / "dark" / "0.png", image_run / "model.json"):
        message = refused(*words, path)
        assert f"{path} is a file; expected a directory of images or a CSV" in message


def test_a_file_that_no_domain_recognises_is_refused(
    image_run, image_directory, refused
):
    for path in (image_directory / "dark" / "0.png", image_run / "model.json"):
        for command in ("train", "check"):
            message = refused(command, path)
            assert f"{path} is not recognised as data of any domain" in message
            assert "  a directory with a subdirectory per class" in message


def test_max_pixels_must_be_above_zero(image_directory, refused):
    message = refused("check", image_directory, "--max-pixels", "0")
    assert message.startswith("max_pixels must be above 0")


def test_the_intensity_range_and_images_to_look_at(tmp_path, run_command, refused):
    (tmp_path / "a").mkdir()
    for k in range(3):
        values = np.random.default_rng(k).integers(-900, 3000, (9, 9)).astype(np.int32)
        values[:, 0], values[:, 1] = -900, 3000
        Image.fromarray(values).save(tmp_path / "a" / f"{k}.tif")
    Image.new("L", (2000, 1)).save(tmp_path / "a" / "line.png")
    notes = run_command("check", tmp_path, "--json").json()["notes"]
    assert "3 images of more than 8 bits: values from -900 to 3000 are" in notes[0]
    assert "1 image with one value in all pixels: a/line.png (2000 x 1)" in notes[1]
    assert "a/line.png" in notes[2] and "side below 8 pixels" in notes[2]
    assert "Cropping keeps 0.05 % of the first; --resize pad" in notes[3]
    output = run_command("check", "--intensity-range", "-90000", "3000", tmp_path)
    assert "values from -90000 to 3000 are scaled" in output.out
    message = refused("check", tmp_path, "--intensity-range", "5", "5")
    assert message.startswith("intensity_range must be two numbers, LOW below HIGH")
