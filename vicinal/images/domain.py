"""The images domain: its data, its options, and what each command takes."""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from vicinal.core.data.image_names import (
    ID_COLUMNS,
    PATH_COLUMNS,
    SUFFIXES,
    names_images,
    split_cells,
)
from vicinal.core.domain import (
    Command,
    Domain,
    EvaluateOptions,
    PredictOptions,
    Task,
    flag,
    positional,
)
from vicinal.errors import SettingError
from vicinal.images.settings import ImageSettings, IntensityRange, is_range

MOST_ENTRIES = 20_000
"""directory entries that are looked at to recognise images"""


def detect_images(path: Path, flags: frozenset[str]) -> str | None:
    """Recognise a directory that holds images or IDX files, or a CSV of paths."""
    if path.is_dir():
        walk = (name for _, _, names in os.walk(path) for name in names)
        names = [name.lower() for name in islice(walk, MOST_ENTRIES)]
        if any("-idx3-ubyte" in name for name in names):
            return "directory with IDX files"
        found = any(name.endswith(SUFFIXES) for name in names)
        return "directory with images" if found else None
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        return None
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head, first = file.readline(), file.readline()
    listed = any(cell.lower().endswith(SUFFIXES) for cell in split_cells(first))
    columns = {name.lower() for name in split_cells(head)}
    has_paths = bool(columns & (set(PATH_COLUMNS) - ID_COLUMNS))
    if listed or has_paths or names_images(path):
        return f"table of image paths ({path.name})"
    return None


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """Options for reading images and their labels."""

    task: Task = "auto"
    """kind of labels: one class each, several (`a|b`), or a number; auto: detected"""

    target: str | None = flag("COLUMN")
    """column of the CSV that holds the labels"""

    label_corrections: str | None = flag("FILE.csv")
    """CSV (path,label) of corrected labels, such as an edited label_issues.csv; the
    label `-` leaves an image out"""


@dataclass(frozen=True, kw_only=True)
class CheckImages(ImageData):
    """Options for reading images and their labels."""

    max_pixels: int = ImageSettings.max_pixels
    """pixels above which an image is refused as a decompression bomb"""

    intensity_range: IntensityRange | None = None
    """lowest and highest value in images of more than 8 bits; None: measured"""

    def __post_init__(self) -> None:
        if self.max_pixels < 1:
            raise SettingError(
                f"max_pixels must be above 0. Got {self.max_pixels} instead."
            )
        if not is_range(self.intensity_range):
            raise SettingError(
                "intensity_range must be two numbers, LOW below HIGH. Got "
                f"{self.intensity_range} instead."
            )


@dataclass(frozen=True)
class EvaluateImages(EvaluateOptions):
    """Images to evaluate on."""

    data: str = positional("DATA")
    """images with labels, in any form that `vicinal train` reads"""

    target: str | None = flag("COLUMN")
    """column of the CSV that holds the labels; default: as in training"""


@dataclass(frozen=True)
class PredictImages(PredictOptions):
    """Images to predict."""

    inputs: list[str] = positional("INPUT...", [])
    """images, directories of images, or a CSV with a column of paths"""


@dataclass(frozen=True)
class ExplainImage:
    """An image and how its prediction is explained."""

    image: str = positional("IMAGE")
    """the image whose prediction is explained"""

    method: Literal["gradcam", "integrated_gradients", "occlusion", "all"] = "gradcam"
    """attribution method; all: compare them"""

    target: str | None = flag("CLASS")
    """class to explain; default: the predicted class"""

    against: str | None = flag("CLASS")
    """explain why --target (or the predicted class) and not this class"""

    output: str | None = flag("FILE.png")
    """write the plot here (.png, .svg or .pdf); default: in RUN/explain"""

    seed: int = 0
    """seed of the random maps that the attribution is compared with"""


@dataclass(frozen=True)
class InspectImages:
    """What of the network is shown."""

    image: str | None = positional("IMAGE", None)
    """image to run through the network; default: images of the run's test split"""

    layer: str | None = flag("NAME")
    """a layer of the table: show its feature maps for the image"""

    at: str | None = flag("C,Y,X")
    """with --layer: take one activation apart into inputs, weights and products"""

    trace_back: bool = False
    """with --at: follow the largest term back, layer by layer, to the image"""

    show: Literal["maps", "filters", "patches", "synthesis"] = "maps"
    """feature maps of the image; filters of the first layer; image patches that
    activate a layer's channels most; or images synthesised to activate them"""

    channels: list[int] | None = flag("N")
    """numbers of the channels to show"""

    target: str | None = flag("CLASS")
    """with --show synthesis: a class to maximise in place of a layer"""

    output: str | None = flag("FILE.png")
    """write the plot here (.png, .svg or .pdf)"""

    seed: int = 0
    """seed of the image that a synthesis starts from"""


@dataclass(frozen=True)
class ReportImages:
    """Sections to add to the report."""

    shortcuts: bool = False
    """look for parts of the image that determine the prediction by themselves"""

    compare_dense: bool = False
    """train a small CNN and a dense network on the same images and compare them"""


COMMANDS = "vicinal.images.commands"
IMAGES = Domain(
    name="images",
    summary="classify images, tag them with several labels, or predict a number",
    reads="a directory with a subdirectory per class (or train/ val/ test/ above "
    "them), a CSV with path,label[,split], or MNIST's IDX files",
    detect=detect_images,
    data=ImageData,
    settings=ImageSettings,
    estimators={
        "classification": "vicinal.images.classifier:ImageClassifier",
        "multilabel": "vicinal.images.classifier:ImageClassifier",
        "regression": "vicinal.images.regressor:ImageRegressor",
    },
    read=f"{COMMANDS}.check:read",
    run="vicinal.images.run:ImageRun",
    commands={
        "check": Command(CheckImages, f"{COMMANDS}.check:check"),
        "evaluate": Command(EvaluateImages, f"{COMMANDS}.evaluate:evaluate"),
        "predict": Command(PredictImages, f"{COMMANDS}.evaluate:predict"),
        "explain": Command(ExplainImage, f"{COMMANDS}.explain:explain"),
        "inspect": Command(InspectImages, f"{COMMANDS}.inspect:inspect"),
        "report": Command(ReportImages, f"{COMMANDS}.evaluate:add_report_sections"),
    },
    examples={"predict": "IMAGE...", "explain": "IMAGE"},
    demo="vicinal.images.demo:run_demo",
    info=f"{COMMANDS}.info:info",
    is_pretrained="vicinal.images.weights.registry:is_pretrained",
    open_pretrained="vicinal.images.pretrained_classifier:load_pretrained",
    data_may_move=True,
)
