"""Make docs/looking-inside.md and its plots from pretrained weights.

    python docs/make_looking_inside.py WEIGHTS

WEIGHTS: as for --weights, of a network trained on ImageNet. The photographs come with
scikit-learn and matplotlib, the digits with scikit-learn.
"""

import argparse
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Template
from matplotlib import cbook
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

import vicinal
from vicinal.core.data.splits import TEST, TRAIN, Fractions, split
from vicinal.images.explain.explain import METHODS
from vicinal.images.explain.explanation import plot_explanations
from vicinal.images.explain.shortcut_analysis import analyze_shortcuts, section
from vicinal.images.inspect import gallery
from vicinal.images.inspect import inspect as inspection
from vicinal.images.inspect.plots import plot_breakdown, plot_feature_maps
from vicinal.images.pretrained_classifier import load_pretrained

HERE = Path(__file__).parent
PAGE, TEMPLATE = HERE / "looking-inside.md", HERE / "looking-inside.md.jinja"

CLASSES = {"daisy": 985, "church": 497, "palace": 698, "flamingo": 130}
"""some of ImageNet's classes, with their numbers"""

EARLY, MIDDLE, LATE = (
    "features.3.conv.0.2",
    "features.8.conv.0.2",
    "features.14.conv.0.2",
)
"""layers of MobileNetV2 whose channels are shown"""


def write_photographs(directory: Path) -> dict[str, str]:
    """Write the photographs that come with libraries; their paths by name."""
    samples: Any = load_sample_images()
    named = zip(samples.filenames, samples.images, strict=True)
    images = {Path(name).stem: pixels for name, pixels in named}
    hopper = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    images["hopper"] = np.asarray(Image.open(str(hopper)).convert("RGB"))
    paths = {}
    for name, pixels in images.items():
        path = directory / f"{name}.png"
        Image.fromarray(pixels).save(path)
        paths[name] = str(path)
    return paths


def write_crops(photos: dict[str, str], directory: Path, each: int = 60) -> list[str]:
    """Write random square crops of the photographs; their paths."""
    directory.mkdir()
    rng, paths = np.random.default_rng(0), []
    for name, photo in photos.items():
        image = Image.open(photo)
        for k in range(each):
            side = int(rng.integers(120, min(image.size)))
            left = int(rng.integers(0, image.width - side + 1))
            top = int(rng.integers(0, image.height - side + 1))
            path = directory / f"{name}-{k}.png"
            image.crop((left, top, left + side, top + side)).save(path)
            paths.append(str(path))
    return paths


def save_plot(figure: Figure, name: str) -> str:
    """Write a figure beside the page, in few colours; its relative path."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    path = HERE / "images" / f"inside-{name}.png"
    image = Image.open(out).convert("RGB").quantize(192)
    image.save(path, optimize=True)
    return f"images/{path.name}"


def printed_lines(function: Any, *arguments: Any) -> str:
    """Return what a function prints, indented as a code block."""
    lines: list[str] = []
    function(*arguments, lines.append)
    return "\n".join(f"    {line}" for line in lines)


def plant_shortcut() -> dict[str, Any]:
    """Search for shortcuts in digits with and without a mark in one class."""
    digits: Any = load_digits()
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)
    x = np.pad(pixels, ((0, 0), (2, 2), (2, 2))).repeat(2, axis=1).repeat(2, axis=2)
    splits = split(digits.target, fractions=Fractions(0.8, 0, 0.2), seed=0)
    analyses = {}
    for name in ("marked", "clean"):
        images = x.copy()
        if name == "marked":
            images[digits.target == 7, 20:, 20:] = 230
        model = vicinal.ImageClassifier(
            image_size=24,
            epochs=15,
            lr=5e-3,
            augment="none",
            cache=False,
            random_state=0,
        )
        model.fit(images[splits == TRAIN], digits.target[splits == TRAIN])
        test = images[splits == TEST], digits.target[splits == TEST]
        dataset, _ = model.read_for_scoring(test)
        analyses[name] = analyze_shortcuts(model, dataset, held_out=True)
    if not analyses["marked"].shortcuts:
        raise SystemExit("The planted mark was not found: look into that first.")
    text: dict[str, Any] = {
        name: section(analysis).blocks[0] for name, analysis in analyses.items()
    }
    examples = analyses["marked"].examples[:6]
    figure = Figure(figsize=(1.5 * max(1, len(examples)), 1.9), layout="constrained")
    axes: Any = np.atleast_1d(figure.subplots(1, max(1, len(examples))))
    for axis, (image, lines) in zip(axes, examples, strict=False):
        axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255)
        axis.set_title("\n".join(lines), fontsize=5)
        axis.set_axis_off()
    return {
        "marked": text["marked"].text,
        "clean": text["clean"].text,
        "plot": save_plot(figure, "shortcut"),
    }


def break_down_one_number(recorded: Any) -> dict[str, Any]:
    """Return the terms of one activation, and its trace back to the image."""
    layer = "features.1.conv.0.0"
    maps = inspection.get_feature_maps(recorded, layer)
    position = int(maps[:, 40, 60].argmax()), 40, 60
    numbers = inspection.break_down_number(recorded, layer, position, True)
    fields = [inspection.breakdown_receptive_field(recorded, n) for n in numbers]
    plot = plot_breakdown(numbers[0], fields, recorded.pixels)
    return {
        "number_plot": save_plot(plot, "number"),
        "number": printed_lines(inspection.print_breakdown, numbers[0], fields[0]),
        "steps": [
            {
                "layer": number.step.name,
                "kind": number.step.kind,
                "position": ",".join(map(str, number.position)),
                "value": number.value,
                "difference": abs(number.computed - number.value),
                "field": field,
            }
            for number, field in zip(numbers, fields, strict=True)
        ],
    }


def show_channels(model: Any, crops: list[str]) -> dict[str, Any]:
    """Return plots of patches and synthesised images that activate channels."""
    sheets = {
        name: gallery.plot_top_patches(model, crops, name) for name in (EARLY, MIDDLE)
    }
    synthesis, seconds = {}, []
    for k, (name, sheet) in enumerate(sheets.items()):
        channels = [int(c) for c in sheet.summary["patches"]]
        started_at = time.monotonic()
        made = gallery.plot_feature_visualizations(model, name, channels)
        seconds.append((time.monotonic() - started_at) / len(channels))
        synthesis[name] = save_plot(made.figure, f"synthesis-{k}")
    sheet = gallery.plot_feature_visualizations(model, LATE)
    synthesis[LATE] = save_plot(sheet.figure, "synthesis-2")
    classes = {}
    for name, row in CLASSES.items():
        sheet = gallery.plot_feature_visualizations(model, None, (), name)
        classes[name] = save_plot(sheet.figure, f"class-{row}")
    return {
        "patches": {
            name: save_plot(sheet.figure, f"patches-{k}")
            for k, (name, sheet) in enumerate(sheets.items())
        },
        "synthesis": synthesis,
        "synthesis_seconds": seconds,
        "classes": classes,
    }


def explain_photographs(model: Any, photos: dict[str, str]) -> dict[str, Any]:
    """Return the attributions of each photograph by all methods."""
    explained = {}
    for name, path in photos.items():
        found = [model.explain(path, method) for method in METHODS]
        explained[name] = {
            "plot": save_plot(plot_explanations(found), f"explained-{name}"),
            "target": found[0].target,
            "verdicts": [(one.method, one.seconds, one.verdict) for one in found],
        }
    return explained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    options = parser.parse_args()
    shortcut = plant_shortcut()
    model = load_pretrained(options.weights)
    with tempfile.TemporaryDirectory() as directory:
        photos = write_photographs(Path(directory))
        crops = write_crops(photos, Path(directory) / "crops")
        china = inspection.record_image(model, photos["china"])
        maps = inspection.get_feature_maps(china, EARLY)[:24]
        values = {
            "filters": save_plot(gallery.plot_first_filters(model).figure, "filters"),
            **break_down_one_number(china),
            "maps": save_plot(plot_feature_maps(maps, EARLY), "maps"),
            **show_channels(model, crops),
            "explained": explain_photographs(model, photos),
            "shortcut": shortcut,
        }
    template = Template(
        TEMPLATE.read_text(encoding="utf-8"), keep_trailing_newline=True
    )
    PAGE.write_text(template.render(values), encoding="utf-8")


if __name__ == "__main__":
    main()
