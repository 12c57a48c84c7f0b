"""Makes docs/looking-inside.md and its drawings from trained weights.

    python docs/make_looking_inside.py WEIGHTS

WEIGHTS: what --weights takes, of a network that knows ImageNet's classes. The
photographs are those that come with scikit-learn and matplotlib, the digits
scikit-learn's.
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
from vicinal.images.explain.evidence import evidence, section
from vicinal.images.explain.explain import METHODS
from vicinal.images.explain.explanation import draw_explanations
from vicinal.images.inspect import gallery
from vicinal.images.inspect import inspect as inspection
from vicinal.images.inspect.plots import draw_maps, draw_number
from vicinal.images.pretrained_classifier import load_pretrained

HERE = Path(__file__).parent
PAGE, TEMPLATE = HERE / "looking-inside.md", HERE / "looking-inside.md.jinja"

NAMES = {"985": "daisy", "497": "church", "698": "palace", "130": "flamingo"}
"""some of ImageNet's classes"""

EARLY, MIDDLE, LATE = (
    "features.3.conv.0.2",
    "features.8.conv.0.2",
    "features.14.conv.0.2",
)
"""layers of MobileNetV2 from which channels are shown"""


def photographs(folder: Path) -> dict[str, str]:
    """Photographs that come with libraries, as files."""
    found = {}
    samples: Any = load_sample_images()
    named = zip(samples.filenames, samples.images, strict=True)
    pictures = {Path(name).stem: pixels for name, pixels in named}
    hopper = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    pictures["hopper"] = np.asarray(Image.open(str(hopper)).convert("RGB"))
    for name, pixels in pictures.items():
        path = folder / f"{name}.png"
        Image.fromarray(pixels).save(path)
        found[name] = str(path)
    return found


def cuttings(photos: dict[str, str], folder: Path, each: int = 60) -> list[str]:
    """Squares cut from the photographs, so that there is something to choose from."""
    rng, found = np.random.default_rng(0), []
    for name, path in photos.items():
        picture = Image.open(path)
        for k in range(each):
            side = int(rng.integers(120, min(picture.size)))
            left = int(rng.integers(0, picture.width - side + 1))
            top = int(rng.integers(0, picture.height - side + 1))
            part = picture.crop((left, top, left + side, top + side))
            place = folder / f"{name}-{k}.png"
            part.save(place)
            found.append(str(place))
    return found


def saved(figure: Figure, name: str) -> str:
    """Write a drawing beside the page, in few colours, and give its address."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    path = HERE / "images" / f"inside-{name}.png"
    image = Image.open(out).convert("RGB").quantize(192)
    image.save(path, optimize=True)
    return f"images/{path.name}"


def told(function: Any, *arguments: Any) -> str:
    lines: list[str] = []
    function(*arguments, lines.append)
    return "\n".join(f"    {line}" for line in lines)


def planted() -> dict[str, Any]:
    """Digits of which one class has a mark in a corner, and what the alarm says."""
    digits: Any = load_digits()
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)
    x = np.pad(pixels, ((0, 0), (2, 2), (2, 2))).repeat(2, axis=1).repeat(2, axis=2)
    part = split(digits.target, fractions=Fractions(0.8, 0, 0.2), seed=0)
    found = {}
    for name in ("watermarked", "clean"):
        shown = x.copy()
        if name == "watermarked":
            shown[digits.target == 7, 20:, 20:] = 230
        model = vicinal.ImageClassifier(
            image_size=24,
            epochs=15,
            lr=5e-3,
            augment="none",
            cache=False,
            random_state=0,
        )
        model.fit(shown[part == TRAIN], digits.target[part == TRAIN])
        test = shown[part == TEST], digits.target[part == TEST]
        found[name] = evidence(model, model.scoring_part(test)[0], held_out=True)
        if name == "watermarked" and not found[name].shortcuts:
            raise SystemExit("The alarm missed the planted mark: look into that first.")
    text = {name: section(one).blocks[0].text for name, one in found.items()}  # type: ignore[union-attr]
    examples = found["watermarked"].examples[:6]
    sheet = Figure(figsize=(1.5 * max(1, len(examples)), 1.9), layout="constrained")
    axes: Any = np.atleast_1d(sheet.subplots(1, max(1, len(examples))))
    for axis, (shot, lines) in zip(axes, examples, strict=False):
        axis.imshow(shot[..., 0], cmap="gray", vmin=0, vmax=255)
        axis.set_title("\n".join(lines), fontsize=5)
        axis.set_axis_off()
    return {"text": text, "drawing": saved(sheet, "shortcut"), "found": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    options = parser.parse_args()
    shortcut = planted()
    model = load_pretrained(options.weights)
    with tempfile.TemporaryDirectory() as folder:
        photos = photographs(Path(folder))
        cut = Path(folder) / "cut"
        cut.mkdir()
        parts = cuttings(photos, cut)
        china = inspection.look_into(model, photos["china"])
        first = "features.1.conv.0.0"
        channel = int(inspection.maps_of(china, first)[:, 40, 60].argmax())
        number = inspection.followed(china, first, (channel, 40, 60), True)
        fields = [inspection.field_of(china, one) for one in number]
        facts: dict[str, Any] = {
            "filters": saved(gallery.filters(model).drawing, "filters")
        }
        facts["number"] = saved(draw_number(number[0], fields, china.pixels), "number")
        facts["number_told"] = told(inspection.tell_number, number[0], fields[0])
        facts["steps"] = [
            {
                "layer": one.step.name,
                "kind": one.step.kind,
                "at": ",".join(map(str, one.place)),
                "value": one.given,
                "off": abs(one.computed - one.given),
                "sees": box,
            }
            for one, box in zip(number, fields, strict=True)
        ]
        maps = inspection.maps_of(china, EARLY)[:24]
        facts["maps"] = saved(draw_maps(maps, EARLY), "maps")
        sheets = {name: gallery.patches(model, parts, name) for name in (EARLY, MIDDLE)}
        facts["patches"] = {
            name: saved(sheet.drawing, f"patches-{k}")
            for k, (name, sheet) in enumerate(sheets.items())
        }
        facts["synthesis"], facts["synthesis_seconds"] = {}, []
        for k, (name, sheet) in enumerate(sheets.items()):
            channels = [int(c) for c in sheet.told["patches"]]
            started_at = time.monotonic()
            made = gallery.synthesis(model, name, channels)
            facts["synthesis_seconds"].append(
                (time.monotonic() - started_at) / len(channels)
            )
            facts["synthesis"][name] = saved(made.drawing, f"synthesis-{k}")
        sheet = gallery.synthesis(model, LATE)
        facts["synthesis"][LATE] = saved(sheet.drawing, "synthesis-2")
        facts["classes"] = {
            NAMES[row]: saved(
                gallery.synthesis(model, None, (), row).drawing, f"class-{row}"
            )
            for row in NAMES
        }
        shown = {}
        for name in photos:
            found = [model.explain(photos[name], method) for method in METHODS]
            shown[name] = {
                "drawing": saved(draw_explanations(found), f"explained-{name}"),
                "target": NAMES.get(found[0].target, f"class {found[0].target}"),
                "verdicts": [(one.method, one.seconds, one.verdict) for one in found],
            }
        facts["explained"] = shown
    facts["planted"] = shortcut
    PAGE.write_text(
        Template(TEMPLATE.read_text(), keep_trailing_newline=True).render(**facts)
    )


if __name__ == "__main__":
    main()
