"""What the answers of a model rest on, over a whole data set: a section of the report.

The shortcut alarm (`shortcuts`), and where the evidence lies (`regions`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vicinal.core.metrics import Score, accuracy
from vicinal.core.report.report import (
    Block,
    Figure,
    Gallery,
    Picture,
    Section,
    Table,
    Text,
    jpeg_base64,
    share_cell,
    to_svg,
)
from vicinal.core.text import counted, percent
from vicinal.errors import SettingError
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.preprocess import to_input
from vicinal.images.explain.explain import seen_pixels
from vicinal.images.explain.gradcam import grad_cams
from vicinal.images.explain.regions import MIDDLE, Region, evidence_maps, regions
from vicinal.images.explain.shortcuts import (
    Answer,
    Shortcut,
    answered,
    find_shortcuts,
    mixed,
    told,
)
from vicinal.images.settings import ENOUGH
from vicinal.images.tracing.explained_network import forms_of, framed

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

MOST = 2500
"""pictures that are looked at"""

MAPPED = 600
"""pictures whose evidence is mapped"""

TITLE = "What the answers rest on"


@dataclass(frozen=True)
class Evidence:
    """What was found on some pictures."""

    classes: tuple[str, ...]
    plain: Score
    regions: list[Region]
    shortcuts: list[Shortcut]
    mean_map: np.ndarray
    """[H, W] mean share of the evidence at each place; all together 1"""
    examples: list[tuple[np.ndarray, list[str]]]
    """pixels of shortcuts that worked, and the lines under them"""
    held_out: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without pixels."""
        return {
            "score": self.plain.to_dict(),
            "held_out": self.held_out,
            "regions": [
                {
                    "name": r.name,
                    "area": r.area,
                    "evidence": r.evidence,
                    "covered": r.covered.to_dict(),
                }
                for r in self.regions
            ],
            "shortcuts": [
                {
                    "class": self.classes[s.row],
                    "kind": s.kind,
                    "part": s.part.name,
                    "changed": s.changed.to_dict(),
                    "anyway": s.anyway,
                    "covered": s.covered.to_dict(),
                }
                for s in self.shortcuts
            ],
            "seconds": self.seconds,
        }


def evidence(
    model: "ImageModel",
    pictures: ImageDataset,
    *,
    held_out: bool,
    seed: int = 0,
    check_interrupt: Callable[[], None] = lambda: None,
) -> Evidence:
    """What a model's answers for labelled pictures rest on.

    held_out: whether it has not learned from them. pulse: is called again and again,
    and may raise to stop the work. SettingError for a model of several
    labels or of numbers: a transplant has no answer to follow there.
    """
    if model.objective_.kind != "single_label":
        raise SettingError(
            "Shortcuts are looked for where each picture is of one class. This model "
            "learned several labels, or numbers. Explain single pictures instead: "
            "vicinal explain RUN PICTURE."
        )
    started_at, classes = time.monotonic(), model.objective_.classes
    rows = np.linspace(0, len(pictures) - 1, min(MOST, len(pictures))).astype(int)
    x = seen_pixels(pictures.batch(rows), model.preprocessing_)
    y = model.objective_.encode(pictures.table.labels[rows]).astype(int)
    answer, drawn = _answer(model, check_interrupt), _drawn(model, check_interrupt)
    said = answered(answer, x)
    shortcuts = find_shortcuts(answer, x, y, len(classes), seed, said)
    few = np.linspace(0, len(x) - 1, min(MAPPED, len(x))).astype(int)
    maps = evidence_maps(drawn, x[few])
    return Evidence(
        classes=classes,
        plain=accuracy(y, said),
        regions=regions(answer, x[few], y[few], maps, seed),
        shortcuts=shortcuts,
        mean_map=maps.mean(axis=0),
        examples=[
            one for s in shortcuts for one in _examples(answer, s, x, y, classes)
        ],
        held_out=held_out,
        seconds=time.monotonic() - started_at,
    )


def _answer(model: "ImageModel", check_interrupt: Callable[[], None]) -> Answer:
    forms = forms_of(model)

    def answer(pixels: np.ndarray) -> np.ndarray:
        check_interrupt()
        return forms.answer(pixels).argmax(dim=1).numpy()

    return answer


def _drawn(
    model: "ImageModel", check_interrupt: Callable[[], None]
) -> Callable[[np.ndarray], Tensor]:
    """Grad-CAM for the class that the model names."""
    how, network = model.preprocessing_, forms_of(model).plain
    device = str(next(model.network_.parameters()).device)

    def drawn(pixels: np.ndarray) -> Tensor:
        check_interrupt()
        x = to_input(framed(pixels, how), how, device)
        return grad_cams(network, x, lambda z: z.amax(dim=1))

    return drawn


def _examples(
    answer: Answer,
    shortcut: Shortcut,
    x: np.ndarray,
    y: np.ndarray,
    classes: tuple[str, ...],
) -> list[tuple[np.ndarray, list[str]]]:
    """Pictures that changed with a part, and what is said of them then."""
    hosts, donors = np.array(shortcut.hosts), np.array(shortcut.donors)
    made = mixed(x[hosts], x[donors], shortcut.part.mask)
    told = zip(made, y[hosts], y[donors], answer(made), strict=True)
    return [
        (
            pixels,
            [
                f"{classes[host]}, with {shortcut.part.name} of {classes[donor]}",
                f"said {classes[said]}",
            ],
        )
        for pixels, host, donor, said in told
    ]


# --- the section ---------------------------------------------------------------------


def section(found: Evidence) -> Section:
    """The section of the report."""
    tone = "warning" if found.shortcuts else "plain"
    blocks: list[Block] = [Text(told(found.shortcuts, found.classes), tone)]
    if not found.shortcuts and found.plain.n < ENOUGH:
        few = counted(found.plain.n, "picture")
        text = f"That is said from {few}: shortcuts that only some of them show are "
        blocks.append(Text(f"{text}easily missed by so few.", "warning"))
    if found.examples:
        shown = [Picture(jpeg_base64(p), lines) for p, lines in found.examples[:8]]
        blocks.append(
            Gallery(shown, "ImageDataset that changed with a transplanted part.")
        )
    which = "held out" if found.held_out else "learned from"
    blocks.append(
        Text(
            "Where the evidence for the answers lies (Grad-CAM, mean over pictures), "
            "and how many are right when a region is taken from another picture: "
            "evidence that is not missed is no evidence. The border is the outer "
            "twelfth on each side, the background what has the rim's colours and hangs "
            f"together with it; things may reach into both. {_most_missed(found)}"
        )
    )
    rows: list[list[Any]] = [
        [r.name, percent(r.area), percent(r.evidence), share_cell(r.covered)]
        for r in found.regions
    ]
    rows.append(["nothing", percent(0), percent(0), share_cell(found.plain)])
    columns = ["region", "of the picture", "of the evidence", "right without it"]
    caption = f"On {counted(found.plain.n, 'picture')} that were {which}"
    some = found.regions[0].covered.n if found.regions else found.plain.n
    if some < found.plain.n:
        caption += f"; regions on {some:,} of them"
    blocks.append(Table(columns, rows, f"{caption}."))
    blocks.append(
        Figure(
            _map_svg(found.mean_map), "InspectRequest the evidence lies, all together."
        )
    )
    return Section(TITLE, blocks)


def _most_missed(found: Evidence) -> str:
    """The region beside the middle without which most are wrong, in a sentence."""
    others = [r for r in found.regions if r.name != MIDDLE]
    if not others:
        return ""
    worst = min(others, key=lambda r: r.covered.value)
    lost = 100 * (found.plain.value - worst.covered.value)
    if lost < 1:
        return "Nothing outside the middle is missed."
    return f"Outside the middle {worst.name} is missed most, by {lost:.1f} points."


def _map_svg(mean: np.ndarray) -> str:
    """The mean map as SVG, with a scale: 1 is as much as an even spread gives."""
    from matplotlib.figure import Figure as Sheet

    sheet = Sheet(figsize=(3.4, 2.7), layout="constrained")
    axes = sheet.subplots()
    drawn = axes.imshow(mean * mean.size, cmap="Blues", vmin=0)
    axes.set_xticks([])
    axes.set_yticks([])
    bar = sheet.colorbar(drawn, ax=axes)
    bar.set_label("times an even spread", fontsize=9)
    return to_svg(sheet)
