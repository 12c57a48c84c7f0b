"""`inspect` for images: layers, feature maps, one number, filters, patches."""

from functools import partial

from vicinal.core.domain import OpenRun
from vicinal.core.report.console import Console
from vicinal.core.report.finding import Finding
from vicinal.errors import SettingError
from vicinal.images.domain import InspectImages
from vicinal.images.inspect import gallery
from vicinal.images.inspect import inspect as inspection
from vicinal.images.inspect.plots import plot_breakdown, plot_feature_maps


def inspect(run: OpenRun, arguments: InspectImages, console: Console) -> Finding:
    """Show what the arguments ask for; the table of layers without any."""
    one_number = arguments.at is not None or arguments.trace_back
    if arguments.show != "maps":
        if one_number:
            raise SettingError(
                f"--at and --trace-back show one number: leave --show {arguments.show} "
                "out."
            )
        return _gallery(run, arguments, console)
    if arguments.layer is None:
        if one_number or arguments.output is not None:
            raise SettingError("--at, --trace-back and --output need a --layer.")
        return _layer_table(run, arguments)
    if arguments.trace_back and arguments.at is None:
        raise SettingError("--trace-back needs --at: the number to start from.")
    return (_feature_maps if arguments.at is None else _number)(run, arguments)


def _layer_table(run: OpenRun, arguments: InspectImages) -> Finding:
    images = inspection.images_to_inspect(arguments.image, run.path)
    rows, text = inspection.compute_layer_table(run.model, images), []
    inspection.print_layer_table(rows, text.append, len(images))
    return Finding(text, {"layers": [row._asdict() for row in rows]})


def _feature_maps(run: OpenRun, arguments: InspectImages) -> Finding:
    """Show the feature maps of a layer."""
    image = arguments.image or inspection.images_to_inspect(None, run.path)[0]
    layer, channels, text = str(arguments.layer), arguments.channels or [], []
    maps = inspection.get_feature_maps(inspection.record_image(run.model, image), layer)
    inspection.check_channels(channels, len(maps), layer)
    inspection.print_feature_maps(layer, maps, channels, text.append)
    data = {"image": image, **inspection.feature_maps_to_dict(layer, maps)}
    return Finding(text, data, partial(plot_feature_maps, maps, layer, channels))


def _number(run: OpenRun, arguments: InspectImages) -> Finding:
    """Show one activation as the sum of its terms, and where it came from."""
    image = arguments.image or inspection.images_to_inspect(None, run.path)[0]
    recorded = inspection.record_image(run.model, image)
    position = inspection.parse_position(str(arguments.at))
    layer, back = str(arguments.layer), arguments.trace_back
    numbers = inspection.break_down_number(recorded, layer, position, back)
    fields = [inspection.breakdown_receptive_field(recorded, n) for n in numbers]
    text = [inspection.describe_input(run.model.preprocessing_)]
    inspection.print_breakdown(numbers[0], fields[0], text.append)
    if back:
        inspection.print_trace(numbers, text.append)
    both = zip(numbers, fields, strict=True)
    found = [inspection.breakdown_to_dict(number, box) for number, box in both]
    draw = partial(plot_breakdown, numbers[0], fields, recorded.pixels)
    return Finding(text, {"image": image, "numbers": found}, draw)


def _gallery(run: OpenRun, arguments: InspectImages, console: Console) -> Finding:
    """Show filters, patches or a synthesis."""
    show, layer, model = arguments.show, arguments.layer, run.model
    channels, target = arguments.channels or [], arguments.target
    if show == "filters" and layer is not None:
        raise SettingError(
            "--show filters shows those of the first layer: leave --layer out, or use "
            "--show patches or --show synthesis."
        )
    if show == "filters":
        sheet = gallery.plot_first_filters(model)
    elif show == "synthesis":
        console.print("about 20 s for each image ...")
        sheet = gallery.plot_feature_visualizations(
            model, layer, channels, target, seed=arguments.seed
        )
    elif layer is None:
        raise SettingError("--show patches needs a --layer.")
    else:
        images = inspection.images_to_inspect(arguments.image, run.path)
        sheet = gallery.plot_top_patches(model, images, layer, channels)
    name = "-".join(filter(None, (show, layer, target))) + ".png"
    return Finding([*sheet.lines], sheet.summary, lambda: sheet.figure, plot_name=name)
