"""Shortcut analysis of a model on a data set: shortcuts, and attribution by region."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vicinal.core.metrics import Score, accuracy
from vicinal.core.report.plots import jpeg_base64, to_svg
from vicinal.core.report.report import (
    Block,
    Figure,
    Gallery,
    Section,
    Table,
    Text,
    Thumbnail,
    percent_with_interval,
)
from vicinal.core.text import format_percent, pluralize
from vicinal.errors import SettingError
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.explain.explain import crop_pixels
from vicinal.images.explain.gradcam import grad_cam_batch
from vicinal.images.explain.regions import (
    MIDDLE,
    RegionSummary,
    normalized_maps,
    summarize_regions,
)
from vicinal.images.explain.shortcuts import (
    Classifier,
    Shortcut,
    describe_shortcuts,
    find_shortcuts,
    paste_region,
    predict_in_batches,
)
from vicinal.images.settings import MIN_IMAGES_FOR_SHORTCUTS
from vicinal.images.tracing.explained_network import (
    add_crop_margin,
    get_explained_network,
)

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

MAX_IMAGES = 2500
"""images that are tested for shortcuts"""

MAX_MAPS = 600
"""images whose attribution is computed"""

MAX_EXAMPLES = 8

TITLE = "Shortcuts"


@dataclass(frozen=True)
class ShortcutAnalysis:
    """Shortcuts of a model, and its attribution by region."""

    classes: tuple[str, ...]
    accuracy: Score
    regions: list[RegionSummary]
    shortcuts: list[Shortcut]
    mean_map: np.ndarray
    """[H, W] mean attribution, with sum 1"""

    examples: list[tuple[np.ndarray, list[str]]]
    """images that changed class, with the lines of their captions"""

    held_out: bool
    """whether the model was not trained on the images"""

    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the analysis for JSON, without images."""
        return {
            "score": self.accuracy.to_dict(),
            "held_out": self.held_out,
            "regions": [
                {
                    "name": r.name,
                    "area": r.area,
                    "attribution": r.attribution,
                    "swapped_accuracy": r.swapped_accuracy.to_dict(),
                }
                for r in self.regions
            ],
            "shortcuts": [
                {
                    "class": self.classes[s.class_index],
                    "kind": s.kind,
                    "region": s.region.name,
                    "flip_rate": s.flip_rate.to_dict(),
                    "control_rate": s.control_rate,
                    "swapped_accuracy": s.swapped_accuracy.to_dict(),
                }
                for s in self.shortcuts
            ],
            "seconds": self.seconds,
        }


def analyze_shortcuts(
    model: "ImageModel",
    images: ImageDataset,
    *,
    held_out: bool,
    seed: int = 0,
    check_interrupt: Callable[[], None] = lambda: None,
) -> ShortcutAnalysis:
    """Search for shortcuts of a classifier on labelled images.

    held_out: whether the model was not trained on them. check_interrupt: called
    regularly; may raise to stop. SettingError unless each image has one class.
    """
    if model.objective_.kind != "single_label":
        raise SettingError(
            "The shortcut analysis needs a classifier with one class per image. This "
            "model predicts several labels, or numbers. Explain single images instead: "
            "vicinal explain RUN IMAGE."
        )
    started_at, classes = time.monotonic(), model.objective_.classes
    rows = np.linspace(0, len(images) - 1, min(MAX_IMAGES, len(images))).astype(int)
    x = crop_pixels(images.batch(rows), model.preprocessing_)
    y = model.objective_.encode(images.table.labels[rows]).astype(int)
    classify = _make_classifier(model, check_interrupt)
    predicted = predict_in_batches(classify, x)
    shortcuts = find_shortcuts(classify, x, y, len(classes), seed, predicted)
    sample = np.linspace(0, len(x) - 1, min(MAX_MAPS, len(x))).astype(int)
    maps = normalized_maps(_make_attribution(model, check_interrupt), x[sample])
    examples = [
        example for s in shortcuts for example in _examples(classify, s, x, y, classes)
    ]
    return ShortcutAnalysis(
        classes=classes,
        accuracy=accuracy(y, predicted),
        regions=summarize_regions(classify, x[sample], y[sample], maps, seed),
        shortcuts=shortcuts,
        mean_map=maps.mean(axis=0),
        examples=examples,
        held_out=held_out,
        seconds=time.monotonic() - started_at,
    )


def _make_classifier(
    model: "ImageModel", check_interrupt: Callable[[], None]
) -> Classifier:
    network = get_explained_network(model)

    def classify(pixels: np.ndarray) -> np.ndarray:
        check_interrupt()
        return network.logits(pixels).argmax(dim=1).numpy()

    return classify


def _make_attribution(
    model: "ImageModel", check_interrupt: Callable[[], None]
) -> Callable[[np.ndarray], Tensor]:
    """Return Grad-CAM for the predicted class, as a function of a batch."""
    preprocessing = model.preprocessing_
    network = get_explained_network(model).folded_traced
    device = str(next(model.network_.parameters()).device)

    def attribute(pixels: np.ndarray) -> Tensor:
        check_interrupt()
        stored = add_crop_margin(pixels, preprocessing)
        x = to_input(stored, preprocessing, device)
        return grad_cam_batch(network, x, lambda logits: logits.amax(dim=1))

    return attribute


def _examples(
    classify: Classifier,
    shortcut: Shortcut,
    x: np.ndarray,
    y: np.ndarray,
    classes: tuple[str, ...],
) -> list[tuple[np.ndarray, list[str]]]:
    """Return images that changed class by a transplant, with their captions."""
    hosts, donors = np.array(shortcut.hosts), np.array(shortcut.donors)
    images = paste_region(x[hosts], x[donors], shortcut.region.mask)
    columns = zip(images, y[hosts], y[donors], classify(images), strict=True)
    return [
        (
            pixels,
            [
                f"{classes[host]}, with {shortcut.region.name} of {classes[donor]}",
                f"predicted {classes[predicted]}",
            ],
        )
        for pixels, host, donor, predicted in columns
    ]


# --- the section of the report -------------------------------------------------------


def section(analysis: ShortcutAnalysis) -> Section:
    """Return the section of the report."""
    tone = "warning" if analysis.shortcuts else "plain"
    description = describe_shortcuts(analysis.shortcuts, analysis.classes)
    blocks: list[Block] = [Text(description, tone)]
    n = analysis.accuracy.n
    if not analysis.shortcuts and n < MIN_IMAGES_FOR_SHORTCUTS:
        text = (
            f"Only {pluralize(n, 'image')} tested: shortcuts that affect few images "
            "can be missed."
        )
        blocks.append(Text(text, "warning"))
    if analysis.examples:
        thumbnails = [
            Thumbnail(jpeg_base64(pixels), lines)
            for pixels, lines in analysis.examples[:MAX_EXAMPLES]
        ]
        caption = "Images whose predicted class changed with the pasted region."
        blocks.append(Gallery(thumbnails, caption))
    blocks += [
        Text(
            "Attribution by region (Grad-CAM, mean over images), and accuracy when the "
            "region is replaced by that of a random other image. Attribution to a "
            "region that can be replaced without loss is misleading. Border: the outer "
            "twelfth of each side. Background: pixels connected to the border that "
            f"have its colours. {_most_important_outside_middle(analysis)}"
        ),
        _region_table(analysis),
        Figure(_map_svg(analysis.mean_map), "Mean attribution over all images."),
    ]
    return Section(TITLE, blocks)


def _region_table(analysis: ShortcutAnalysis) -> Table:
    n = analysis.accuracy.n
    rows: list[list[Any]] = [
        [
            r.name,
            format_percent(r.area),
            format_percent(r.attribution),
            percent_with_interval(r.swapped_accuracy),
        ]
        for r in analysis.regions
    ]
    unchanged = percent_with_interval(analysis.accuracy)
    rows.append(["none", format_percent(0), format_percent(0), unchanged])
    columns = ["region", "area", "attribution", "accuracy"]
    which = "held-out" if analysis.held_out else "training"
    caption = "Accuracy with the region replaced by that of another image. "
    caption += f"On {pluralize(n, f'{which} image')}"
    sample = analysis.regions[0].swapped_accuracy.n if analysis.regions else n
    if sample < n:
        caption += f"; regions on {sample:,} of them"
    return Table(columns, rows, f"{caption}.")


def _most_important_outside_middle(analysis: ShortcutAnalysis) -> str:
    """Return a sentence on the region, except the middle, with the largest effect."""
    others = [r for r in analysis.regions if r.name != MIDDLE]
    if not others:
        return ""
    worst = min(others, key=lambda r: r.swapped_accuracy.value)
    loss = 100 * (analysis.accuracy.value - worst.swapped_accuracy.value)
    if loss < 1:
        return "Accuracy does not depend on any region outside the middle."
    return (
        f"Outside the middle, replacing {worst.name} costs most accuracy: {loss:.1f} "
        "percentage points."
    )


def _map_svg(mean_map: np.ndarray) -> str:
    """Plot the mean map as SVG; 1 is the value of a uniform map."""
    from matplotlib.figure import Figure as PlotFigure

    figure = PlotFigure(figsize=(3.4, 2.7), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(mean_map * mean_map.size, cmap="Blues", vmin=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title("1: a uniform map", fontsize=9, loc="right")
    figure.colorbar(drawn, ax=axes).ax.tick_params(labelsize=8)
    return to_svg(figure)
