"""`vicinal inspect`: the layer table, feature maps, one activation and its trace."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.data.splits import TEST
from vicinal.core.storage.run_folder import MODEL_JSON, read_settings, read_table
from vicinal.core.text import pluralize
from vicinal.errors import NoDataError, RunError, SettingError
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.decoding.intensity_range import describe_range
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.data.inputs import list_images
from vicinal.images.explain.explain import crop_pixels, read_single_image
from vicinal.images.inspect.layer_arithmetic import PADDING, Position
from vicinal.images.inspect.layer_table import LayerRow, layer_table
from vicinal.images.inspect.receptive_field import Box, receptive_field
from vicinal.images.inspect.walkthrough import (
    NumberBreakdown,
    Term,
    break_down,
    trace_back,
)
from vicinal.images.tracing.trace import Recording, record

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

MAX_IMAGES = 128
"""images of the layer table"""

BATCH = 16

MIN_IMAGES_FOR_DEAD = 5
"""images from which dead channels are reported"""

MAX_TERMS = 12
"""terms of an activation that are printed"""

MAX_PRINTED_MAPS = 5

PrintLine = Callable[[str], None]


class RecordedImage(NamedTuple):
    """One image and the activations of a network for it."""

    recording: Recording
    pixels: np.ndarray
    """[H, W, C] uint8: the input of the network"""


def record_image(model: "ImageModel", image: Any) -> RecordedImage:
    """Record the activations of a model for one image, in float32."""
    pixels, preprocessing = read_single_image(model, image), model.preprocessing_
    device = next(model.network_.parameters()).device
    x = to_input(pixels[None], preprocessing, str(device))[0].contiguous()
    return RecordedImage(record(model.network_, x), crop_pixels(pixels, preprocessing))


def describe_input(preprocessing: Preprocessing) -> str:
    """Describe in one sentence how an image becomes the input of the network."""
    side, stored = preprocessing.image_size, preprocessing.store_size
    resizing = {
        "crop": f"shorter side resized to {stored}, centre crop of {side} x {side}",
        "squish": f"resized to {stored} x {stored}",
        "pad": f"padded with black to {stored} x {stored}",
    }[preprocessing.resize]
    if stored > side and preprocessing.resize != "crop":
        resizing += f", centre crop of {side} x {side}"
    mean, std = (
        ", ".join(f"{v:g}" for v in values)
        for values in (preprocessing.mean, preprocessing.std)
    )
    limits = preprocessing.intensity_range
    scaled = f"{describe_range(limits)} scaled to 0..255 if deeper; " if limits else ""
    colors = "channels red, green, blue" if preprocessing.channels == 3 else "grey"
    return (
        f"input: {side} x {side} pixels, {colors} ({resizing}); "
        f"{scaled}value = (byte / 255 - mean) / std, mean {mean}, std {std}"
    )


# --- command-line values -------------------------------------------------------------


def parse_position(text: str) -> Position:
    """Return a position from `C,Y,X`, or an index from `N`; else SettingError."""
    try:
        position = tuple(int(number) for number in text.split(","))
    except ValueError:
        position = ()
    if len(position) in (1, 3):
        return position
    raise SettingError(
        "--at must be channel,row,column, such as 3,10,12, or one index of a vector. "
        f"Got {text!r} instead."
    )


def parse_channels(text: str | None) -> list[int]:
    """Return channel numbers from `0,5,7`; empty for None."""
    try:
        return [int(number) for number in text.split(",")] if text else []
    except ValueError:
        raise SettingError(
            f"--channels must be numbers such as 0,5,7. Got {text!r} instead."
        ) from None


def check_channels(channels: Sequence[int], count: int, layer: str) -> list[int]:
    """Return the channels; SettingError for one that a layer of `count` lacks."""
    for k in channels:
        if not 0 <= k < count:
            raise SettingError(
                f"{layer} has channels 0 to {count - 1}. Got {k} instead."
            )
    return list(channels)


def images_to_inspect(image: str | None, run: Path) -> list[str]:
    """Return the paths of an image, of a directory or CSV, or held-out images."""
    if image is None and not (run / MODEL_JSON).exists():
        raise NoDataError(
            "Pretrained weights come without images. Give an image or a directory of "
            "images after the weights."
        )
    if image is None:
        return held_out_images(run)
    table = list_images([image])
    return [str(table.path(row)) for row in range(len(table))]


def held_out_images(run: Path) -> list[str]:
    """Return paths of test images of a run, or of training images if it has none.

    RunError if the images are no longer where they were.
    """
    data = Path(read_settings(run)["data"])
    root = data if data.is_dir() else data.parent
    splits = read_table(run, "data/splits.csv", ["path", "split"])
    splits = splits.sort_values("split", kind="stable")  # test, train, val
    paths = [root / name for name in splits["path"]]
    existing = [str(path) for path in paths if path.is_file()]
    if not existing:
        raise RunError(
            f"The images of {run} are no longer in {root}. Give some: vicinal inspect "
            f"{run} IMAGE."
        )
    held_out = list(splits["split"]).count(TEST) or len(existing)
    last = min(held_out, len(existing)) - 1
    sample = np.linspace(0, last, min(MAX_IMAGES, len(existing)))
    return [existing[k] for k in np.unique(sample.astype(int))]


# --- the layer table -----------------------------------------------------------------


def compute_layer_table(model: "ImageModel", images: list[str]) -> list[LayerRow]:
    """Return the layer table on some images; NoDataError if none can be read."""
    return layer_table(model.network_, _inputs(model, images[:MAX_IMAGES]))


def _inputs(model: "ImageModel", images: list[str]) -> Iterator[Tensor]:
    """Yield batches [N, C, H, W] of the readable images."""
    device, readable = next(model.network_.parameters()).device, False
    for start in range(0, len(images), BATCH):
        table = model.read_unlabelled(images[start : start + BATCH])
        for _, _, pixels in model.read_batches(table):
            if len(pixels):
                readable = True
                yield to_input(pixels, model.preprocessing_, str(device))
    if not readable:
        raise NoDataError(
            "None of the images can be read. Give others: vicinal inspect RUN IMAGE."
        )


LEGEND = (
    "output: channels x rows x columns, or the length of a vector; field: receptive "
    "field (rows x columns) of the activation in the middle",
    "ms: milliseconds per image on this machine; mean, std: of all activations; dead: "
    "channels that are constant over your images",
)


def print_layer_table(
    rows: list[LayerRow], print_line: PrintLine, num_images: int = MAX_IMAGES
) -> None:
    """Print the layer table, and where parameters and multiply-adds are.

    num_images: those of the table; with few of them dead channels are not reported.
    """
    if num_images < MIN_IMAGES_FOR_DEAD:
        rows = [row._replace(dead=math.nan) for row in rows]
    width = max(len(row.name) for row in rows)
    print_line(
        f"{'layer':<{width}}  {'kind':<18} {'output':>14} {'parameters':>12} "
        f"{'mult-adds':>14} {'field':>9} {'ms':>7} {'mean':>9} {'std':>9} {'dead':>6}"
    )
    for row in rows:
        shape = " x ".join(map(str, row.shape))
        field = " x ".join(map(str, row.receptive_field))
        dead = "-" if math.isnan(row.dead) else f"{100 * row.dead:.0f} %"
        print_line(
            f"{row.name:<{width}}  {row.kind:<18} {shape:>14} {row.parameters:>12,} "
            f"{row.multiply_adds:>14,} {field:>9} {row.ms:>7.3f} {row.mean:>9.3g} "
            f"{row.std:>9.3g} {dead:>6}"
        )
    for line in (*LEGEND, *summarize_layers(rows)):
        print_line(line)


def summarize_layers(rows: list[LayerRow]) -> list[str]:
    """Compare convolutions with dense layers, and report dead channels."""
    convolutions = [r for r in rows if len(r.shape) == 3 and r.multiply_adds]
    dense = [r for r in rows if len(r.shape) == 1 and r.multiply_adds]
    lines = []
    total = sum(row.parameters for row in rows) or 1
    for name, group in (("convolutions", convolutions), ("dense layers", dense)):
        if not group:
            continue
        parameters = sum(row.parameters for row in group)
        work = sum(row.multiply_adds for row in group)
        lines.append(
            f"{name}: {parameters:,} parameters ({100 * parameters / total:.0f} %), "
            f"{work:,} multiply-adds, {work / parameters:,.1f} per parameter and image"
        )
    dead = [row for row in rows if row.dead > 0 and row.kind.startswith("ReLU")]
    if dead:
        worst = max(dead, key=lambda row: row.dead)
        lines.append(
            f"{pluralize(len(dead), 'ReLU')} with dead channels, most in {worst.name}: "
            f"{100 * worst.dead:.0f} % are 0 for every image"
        )
    return lines


# --- one activation ------------------------------------------------------------------


def break_down_number(
    image: RecordedImage, layer: str, position: Position, back: bool
) -> list[NumberBreakdown]:
    """Break down one activation; with `back` also those that it is traced back to."""
    if back:
        return list(trace_back(image.recording, layer, position))
    return [break_down(image.recording, layer, position)]


def breakdown_receptive_field(image: RecordedImage, breakdown: NumberBreakdown) -> Box:
    """Return the receptive field of a broken-down activation."""
    name, position = breakdown.step.name, breakdown.position
    return receptive_field(image.recording, name, position)


def print_breakdown(
    breakdown: NumberBreakdown, field: Box, print_line: PrintLine
) -> None:
    """Print one activation and its largest terms."""
    step, position = breakdown.step, _format_position(breakdown.position)
    print_line(f"{step.name} ({step.kind}) at {position}: {breakdown.value:.7g}")
    if field.is_empty:
        print_line("receptive field: empty, only padding")
    else:
        print_line(
            f"receptive field: {field.height} x {field.width} pixels, rows {field.top} "
            f"to {field.bottom - 1}, columns {field.left} to {field.right - 1}"
        )
    count = pluralize(len(breakdown.terms), "term")
    print_line(f"{breakdown.operation} of {count} (value x weight = product, source):")
    terms = sorted(breakdown.terms, key=lambda term: -abs(term.product))
    for term in terms[:MAX_TERMS]:
        print_line(
            f"  {term.value:>12.6g} x {term.weight:>12.6g} = "
            f"{term.product + 0.0:>12.6g}   {_format_source(term)}"
        )
    empty = " " * 12
    if len(terms) > MAX_TERMS:
        rest = sum(term.product for term in terms[MAX_TERMS:])
        count = f"{len(terms) - MAX_TERMS:,} others"
        print_line(f"  {empty}   {empty}   {rest:>12.6g}   {count}")
    if breakdown.constant:
        print_line(f"  {empty}   {empty}   {breakdown.constant:>12.6g}   constant")
    difference = abs(breakdown.computed - breakdown.value)
    print_line(
        f"total {breakdown.computed:.7g}; the network computed {breakdown.value:.7g} "
        f"(difference {difference:.1e})"
    )


def print_trace(breakdowns: list[NumberBreakdown], print_line: PrintLine) -> None:
    """Print the activations of a trace back to the image, one per line."""
    print_line(
        "\ntrace back to the image, along the largest contribution to each activation:"
    )
    for breakdown in breakdowns:
        term = breakdown.largest_contribution
        constant = f", constant {breakdown.constant:.5g}" if breakdown.constant else ""
        position = _format_position(breakdown.position)
        activation = f"  {breakdown.step.name} {position} = {breakdown.value:.5g}"
        if term is None:
            reason = "no term contributes" if breakdown.value else "set to 0"
            print_line(f"{activation}{constant}: {reason}")
            return
        print_line(
            f"{activation}: {term.product + 0.0:.5g} from {_format_source(term)}"
            f"{constant}"
        )


def _format_position(position: Position) -> str:
    return ",".join(map(str, position))


def _format_source(term: Term) -> str:
    if PADDING in term.position:
        return "padding"
    return f"{term.source} {_format_position(term.position)}"


def breakdown_to_dict(breakdown: NumberBreakdown, field: Box) -> dict[str, Any]:
    """Return an activation with all its terms for JSON."""
    return {
        "layer": breakdown.step.name,
        "kind": breakdown.step.kind,
        "position": list(breakdown.position),
        "value": breakdown.value,
        "computed": breakdown.computed,
        "constant": breakdown.constant,
        "operation": breakdown.operation,
        "receptive_field": field._asdict(),
        "terms": [
            {
                "source": term.source,
                "position": None if PADDING in term.position else list(term.position),
                "value": term.value,
                "weight": term.weight,
                "product": term.product,
            }
            for term in breakdown.terms
        ],
    }


# --- feature maps --------------------------------------------------------------------


def get_feature_maps(image: RecordedImage, layer: str) -> np.ndarray:
    """Return the feature maps [C, H, W] of a layer; SettingError for a vector."""
    image.recording.step(layer)
    value: Tensor = image.recording.values[layer]
    if value.ndim != 3:
        raise SettingError(
            f"The output of {layer} is a vector of {len(value)}, not feature maps. "
            "Inspect one element with --at N, or name an earlier layer, such as "
            f"{image.recording.last_feature_map().name}."
        )
    return torch.nan_to_num(value).cpu().numpy()


def print_feature_maps(
    layer: str, maps: np.ndarray, channels: list[int], print_line: PrintLine
) -> None:
    """Print a summary of the feature maps, and of some channels.

    channels: those to print; empty: the ones with the largest activations.
    """
    count, height, width = maps.shape
    print_line(f"{layer}: {count} feature maps of {height} x {width}")
    largest = np.abs(maps).max(axis=(1, 2))
    order = np.argsort(-largest, kind="stable")[:MAX_PRINTED_MAPS]
    for channel in channels or order:
        flat = np.abs(maps[channel]).argmax()
        row, column = np.unravel_index(flat, (height, width))
        print_line(
            f"  channel {channel}: largest {maps[channel, row, column]:.4g} at "
            f"{channel},{row},{column}, mean {maps[channel].mean():.4g}"
        )


def feature_maps_to_dict(layer: str, maps: np.ndarray) -> dict[str, Any]:
    """Return the shape of the feature maps and the range of each for JSON."""
    return {
        "layer": layer,
        "shape": list(maps.shape),
        "mean": float(maps.mean()),
        "channels": [
            {"mean": float(m.mean()), "min": float(m.min()), "max": float(m.max())}
            for m in maps
        ],
    }
