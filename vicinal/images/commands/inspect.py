"""`inspect` for images: layers, feature maps, one number, filters, patches."""

from vicinal.core.domain import OpenRun
from vicinal.core.report.console import Console
from vicinal.core.report.finding import Finding
from vicinal.errors import SettingError
from vicinal.images.domain import InspectImages
from vicinal.images.inspect import findings, gallery
from vicinal.images.inspect.inspect import images_to_inspect


def inspect(run: OpenRun, arguments: InspectImages, console: Console) -> Finding:
    """Show what the arguments ask for; the table of layers without any."""
    layer, at, back = arguments.layer, arguments.at, arguments.trace_back
    one_number = at is not None or back
    if arguments.show != "maps":
        if one_number:
            raise SettingError(
                f"--at and --trace-back show one number: leave --show {arguments.show} "
                "out."
            )
        return _gallery(run, arguments, console)
    if layer is None:
        if one_number or arguments.output is not None:
            raise SettingError("--at, --trace-back and --output need a --layer.")
        return findings.show_layers(run.model, run.path, arguments.image)
    if back and at is None:
        raise SettingError("--trace-back needs --at: the number to start from.")
    image = arguments.image or images_to_inspect(None, run.path)[0]
    if at is not None:
        return findings.show_number(run.model, image, layer, at, trace_back=back)
    channels = arguments.channels or []
    return findings.show_feature_maps(run.model, image, layer, channels)


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
        sheet = gallery.plot_feature_visualizations(
            model,
            layer,
            channels,
            target,
            seed=arguments.seed,
            print_line=console.print,
        )
    elif layer is None:
        raise SettingError("--show patches needs a --layer.")
    else:
        images = images_to_inspect(arguments.image, run.path)
        sheet = gallery.plot_top_patches(model, images, layer, channels)
    name = "-".join(filter(None, (show, layer, target))) + ".png"
    return Finding([*sheet.lines], sheet.summary, lambda: sheet.figure, plot_name=name)
