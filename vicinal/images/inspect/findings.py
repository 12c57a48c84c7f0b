"""What `vicinal inspect` shows of images: text, JSON and plots."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vicinal.core.report.finding import Finding
from vicinal.images.inspect import inspect as inspection
from vicinal.images.inspect.plots import plot_breakdown, plot_feature_maps

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel


def show_layers(model: "ImageModel", run: Path, image: str | None) -> Finding:
    """Show the table of layers for an image; None: for images of the test split."""
    images = inspection.images_to_inspect(image, run)
    rows, text = inspection.compute_layer_table(model, images), []
    inspection.print_layer_table(rows, text.append, len(images))
    return Finding(text, {"layers": [row._asdict() for row in rows]})


def show_feature_maps(
    model: "ImageModel", image: str, layer: str, channels: list[int]
) -> Finding:
    """Show the feature maps of a layer; channels: which, none: the strongest."""
    text = []
    maps = inspection.get_feature_maps(inspection.record_image(model, image), layer)
    inspection.check_channels(channels, len(maps), layer)
    inspection.print_feature_maps(layer, maps, channels, text.append)
    data = {"image": image, **inspection.feature_maps_to_dict(layer, maps)}
    return Finding(text, data, partial(plot_feature_maps, maps, layer, channels))


def show_number(
    model: "ImageModel", image: str, layer: str, at: str, *, trace_back: bool
) -> Finding:
    """Show one activation as the sum of its terms.

    at: its channel, row and column, as `C,Y,X`. trace_back: follow the largest term
    back to the image.
    """
    recorded = inspection.record_image(model, image)
    position = inspection.parse_position(at)
    numbers = inspection.break_down_number(recorded, layer, position, trace_back)
    fields = [inspection.breakdown_receptive_field(recorded, n) for n in numbers]
    text = [inspection.describe_input(model.preprocessing_)]
    inspection.print_breakdown(numbers[0], fields[0], text.append)
    if trace_back:
        inspection.print_trace(numbers, text.append)
    both = zip(numbers, fields, strict=True)
    found = [inspection.breakdown_to_dict(number, box) for number, box in both]
    draw = partial(plot_breakdown, numbers[0], fields, recorded.pixels)
    return Finding(text, {"image": image, "numbers": found}, draw)
