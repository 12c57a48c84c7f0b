"""`vicinal inspect`: the layer table, a layer's maps, one number and its way back."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.text import counted
from vicinal.errors import NoDataError, RunError, SettingError
from vicinal.images.data.decode import Preprocessing
from vicinal.images.data.inputs import list_pictures
from vicinal.images.data.preprocess import to_input
from vicinal.images.explain.explain import one_picture, seen_pixels
from vicinal.images.inspect.layer_table import Row, layer_table
from vicinal.images.inspect.receptive_field import Box, receptive_field
from vicinal.images.inspect.walkthrough import (
    NOWHERE,
    NumberBreakdown,
    Place,
    opened,
    trail,
)
from vicinal.images.tracing.trace import PICTURE, Recording, record

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

MOST = 128
"""pictures that the layer table is made from"""

BATCH = 16

FEWEST = 5
"""pictures below which every channel would look dead, or alive, by chance"""

TERMS = 12
"""terms of a number that are told: those that give most"""

Say = Callable[[str], None]


def as_seen(how: Preprocessing) -> str:
    """What of a picture is seen, and how its numbers are made, in a sentence."""
    side, whole = how.image_size, how.store_size
    part = {
        "crop": f"its middle, once the shorter side has {whole} pixels",
        "squish": f"squished to {whole} x {whole}",
        "pad": f"with black at its sides, {whole} x {whole} in all",
    }[how.resize]
    cut = f", of that the middle {side} x {side}" if whole > side else ""
    means, spreads = (", ".join(f"{v:g}" for v in vs) for vs in (how.mean, how.std))
    colours = "channels 0, 1, 2 are red, green, blue; " if how.channels == 3 else ""
    return (
        f"the picture as the network sees it: {side} x {side} pixels, {part}{cut}; "
        f"{colours}a number is (byte / 255 - mean) / spread, mean {means}, spread "
        f"{spreads}"
    )


class Seen(NamedTuple):
    """One picture as a network sees it."""

    recording: Recording
    pixels: np.ndarray
    """[H, W, C] uint8"""


def look_into(model: "ImageModel", picture: Any) -> Seen:
    """What each step of a model gives for one picture, in float32."""
    pixels, how = one_picture(model, picture), model.preprocessing_
    device = next(model.network_.parameters()).device
    x = to_input(pixels[None], how, str(device))[0].contiguous()
    return Seen(record(model.network_, x), seen_pixels(pixels, how))


def place_of(text: str) -> Place:
    """A place `C,Y,X`, or `N` behind the last map; SettingError for another text."""
    try:
        place = tuple(int(part) for part in text.split(","))
    except ValueError:
        place = ()
    if len(place) in (1, 3):
        return place
    raise SettingError(
        "--at must be channel,row,column, such as 3,10,12, or one number behind the "
        f"last map. Got {text!r} instead."
    )


def channels_of(text: str | None) -> list[int]:
    """Numbers of channels `0,5,7`; none where none are named."""
    try:
        return [int(part) for part in text.split(",")] if text else []
    except ValueError:
        raise SettingError(
            f"--channels must be numbers such as 0,5,7. Got {text!r} instead."
        ) from None


def check_channels(channels: Sequence[int], count: int, layer: str) -> list[int]:
    """The channels; SettingError where a layer of so many has not one of them."""
    for k in channels:
        if not 0 <= k < count:
            raise SettingError(
                f"{layer} has channels 0 to {count - 1}. Got {k} instead."
            )
    return list(channels)


# --- the layer table -----------------------------------------------------------------


def csr_by_target(model: "ImageModel", pictures: list[str]) -> list[Row]:
    """The layer table on some pictures; NoDataError where none can be read."""
    return layer_table(model.network_, _inputs(model, pictures[:MOST]))


def _inputs(model: "ImageModel", pictures: list[str]) -> Iterator[Tensor]:
    """Batches [N, C, H, W] of the pictures that can be read."""
    device, found = next(model.network_.parameters()).device, False
    for start in range(0, len(pictures), BATCH):
        table = model._unlabelled(pictures[start : start + BATCH])
        for _, _, pixels in model._batches(table):
            if len(pixels):
                found = True
                yield to_input(pixels, model.preprocessing_, str(device))
    if not found:
        raise NoDataError(
            "No picture can be read to look into the network with. Name one or more: "
            "vicinal inspect RUN PICTURE."
        )


def pictures_of(run: Path) -> list[str]:
    """Paths of pictures that a run began with, spread over them; those held out first.

    RunError where the run does not say, or they are not where they were.
    """
    import pandas as pd

    from vicinal.core.storage.run_folder import read

    data = Path(read(run, "settings.json")["data"])
    root = data if data.is_dir() else data.parent
    how = {"dtype": str, "keep_default_na": False}
    splits = pd.read_csv(run / "data" / "splits.csv", **how)
    splits = splits.sort_values("split", kind="stable")  # test, train, val
    names = [root / name for name in splits["path"]]
    there = [str(path) for path in names if path.is_file()]
    if not there:
        raise RunError(
            f"The pictures of {run} are not where they were, in {root}. Name some: "
            f"vicinal inspect {run} PICTURE."
        )
    held_out = int((splits["split"] == "test").sum()) or len(there)
    spread = np.linspace(0, min(held_out, len(there)) - 1, min(MOST, len(there)))
    return [there[k] for k in np.unique(spread.astype(int))]


def pictures_in(named: str | None, run: Path) -> list[str]:
    """A picture, those of a folder or a CSV, or those that the run was judged by."""
    if named is None and not (run / "model.json").exists():
        raise NoDataError(
            "Weights come without pictures. Name one, or a folder of them, behind them."
        )
    if named is None:
        return pictures_of(run)
    table = list_pictures([named])
    return [str(table.place / name) for name in table.names]


def tell_rows(rows: list[Row], say: Say, pictures: int = MOST) -> None:
    """The layer table, and where size and work are.

    pictures: that it was made from; of a single one nothing is said of dead channels.
    """
    if pictures < FEWEST:
        rows = [row._replace(dead=math.nan) for row in rows]
    width = max(len(row.name) for row in rows)
    say(
        f"{'layer':<{width}}  {'kind':<18} {'gives':>14} {'parameters':>12} "
        f"{'mult-adds':>14} {'sees':>9} {'ms':>7} {'mean':>9} {'spread':>9} {'dead':>6}"
    )
    for row in rows:
        shape = " x ".join(map(str, row.shape))
        sees = f"{row.field[0]} x {row.field[1]}"
        say(
            f"{row.name:<{width}}  {row.kind:<18} {shape:>14} {row.parameters:>12,} "
            f"{row.multiply_adds:>14,} {sees:>9} {row.ms:>7.3f} {row.mean:>9.3g} "
            f"{row.spread:>9.3g} {_share(row.dead):>6}"
        )
    for line in (*MEANINGS, *sharing(rows)):
        say(line)


def _share(dead: float) -> str:
    return "-" if math.isnan(dead) else f"{100 * dead:.0f} %"


MEANINGS = (
    "gives: channels x rows x columns, or numbers in a row; sees: rows x columns of a "
    "picture that reach one number in the middle",
    "ms: for one picture, on this machine; mean and spread of all its numbers, and "
    "dead, the channels that never change: on your pictures",
)
"""What stands over the columns of the layer table."""


def sharing(rows: list[Row]) -> list[str]:
    """Where the parameters sit and where the work is, convolution against dense."""
    convolutions = [r for r in rows if len(r.shape) == 3 and r.multiply_adds]
    dense = [r for r in rows if len(r.shape) == 1 and r.multiply_adds]
    lines = []
    total = sum(row.parameters for row in rows) or 1
    for name, some in (("convolutions", convolutions), ("dense layers", dense)):
        if not some:
            continue
        parameters = sum(row.parameters for row in some)
        work = sum(row.multiply_adds for row in some)
        lines.append(
            f"{name}: {parameters:,} parameters ({100 * parameters / total:.0f} %), "
            f"{work:,} multiply-adds, so each weight is used {work / parameters:,.1f} "
            "times a picture"
        )
    dead = [row for row in rows if row.dead > 0 and row.kind.startswith("ReLU")]
    if dead:
        most = max(dead, key=lambda row: row.dead)
        lines.append(
            f"{counted(len(dead), 'activation')} with dead channels, most of them in "
            f"{most.name}: {100 * most.dead:.0f} % give 0 for every picture"
        )
    return lines


# --- one number ----------------------------------------------------------------------


def tell_number(found: NumberBreakdown, field: Box, say: Say) -> None:
    """What one number is made of, the largest terms first."""
    place = ",".join(map(str, found.place))
    say(f"{found.step.name} ({found.step.kind}) at {place}: {found.given:.7g}")
    if field.height and field.width:
        say(
            f"it sees {field.height} x {field.width} pixels of the picture, rows "
            f"{field.top} to {field.bottom - 1}, columns {field.left} to "
            f"{field.right - 1}"
        )
    else:
        say("it sees no pixel of the picture: only padding")
    say(f"{found.how}, of {counted(len(found.terms), 'term')}:")
    terms = sorted(found.terms, key=lambda term: -abs(term.product))
    for term in terms[:TERMS]:
        where = "padding" if NOWHERE in term.place else ",".join(map(str, term.place))
        source = "the picture" if term.source == PICTURE else term.source
        say(
            f"  {term.value:>12.6g} x {term.weight:>12.6g} = "
            f"{term.product + 0.0:>12.6g}   "
            f"{source} {where}"
        )
    if len(terms) > TERMS:
        rest = sum(term.product for term in terms[TERMS:])
        say(f"  {'':>12}   {'':>12}   {rest:>12.6g}   {len(terms) - TERMS:,} others")
    if found.constant:
        say(f"  {'':>12}   {'':>12}   {found.constant:>12.6g}   the constant")
    off = abs(found.computed - found.given)
    say(
        f"together {found.computed:.7g}; the network gave {found.given:.7g} ({off:.1e})"
    )


def number_to_dict(found: NumberBreakdown, field: Box) -> dict[str, Any]:
    """For JSON: every term."""
    return {
        "layer": found.step.name,
        "kind": found.step.kind,
        "at": list(found.place),
        "value": found.given,
        "computed": found.computed,
        "constant": found.constant,
        "how": found.how,
        "sees": field._asdict(),
        "terms": [
            {
                "source": term.source,
                "at": None if NOWHERE in term.place else list(term.place),
                "value": term.value,
                "weight": term.weight,
                "product": term.product,
            }
            for term in found.terms
        ],
    }


def followed(seen: Seen, layer: str, place: Place, back: bool) -> list[NumberBreakdown]:
    """One number; with `back` also those before it that give most, to the picture."""
    if back:
        return list(trail(seen.recording, layer, place))
    return [opened(seen.recording, layer, place)]


def field_of(seen: Seen, found: NumberBreakdown) -> Box:
    return receptive_field(seen.recording, found.step.name, found.place)


# --- the maps of a layer -------------------------------------------------------------


def maps_of(seen: Seen, layer: str) -> np.ndarray:
    """The maps [C, H, W] of a layer; SettingError where it gives numbers in a row."""
    seen.recording.step(layer)
    value: Tensor = seen.recording.values[layer]
    if value.ndim != 3:
        raise SettingError(
            f"{layer} gives {len(value)} numbers in a row, and no maps. Open one of "
            f"them with --at N, or name a layer before it, such as "
            f"{seen.recording.layer_of_maps().name}."
        )
    return torch.nan_to_num(value).cpu().numpy()


def tell_maps(layer: str, maps: np.ndarray, channels: list[int], say: Say) -> None:
    """The maps in a line, and the channels named, or those of the largest numbers."""
    count, height, width = maps.shape
    say(f"{layer}: {count} maps of {height} x {width}")
    largest = np.abs(maps).max(axis=(1, 2))
    for channel in channels or np.argsort(-largest, kind="stable")[:5]:
        row, column = np.unravel_index(np.abs(maps[channel]).argmax(), (height, width))
        say(
            f"  channel {channel}: largest {maps[channel, row, column]:.4g} at "
            f"{channel},{row},{column}, mean {maps[channel].mean():.4g}"
        )


def maps_to_dict(layer: str, maps: np.ndarray) -> dict[str, Any]:
    """For JSON: the shape, and what each channel gives."""
    return {
        "layer": layer,
        "shape": list(maps.shape),
        "mean": float(maps.mean()),
        "channels": [
            {"mean": float(m.mean()), "least": float(m.min()), "most": float(m.max())}
            for m in maps
        ],
    }


def tell_way(numbers: list[NumberBreakdown], say: Say) -> None:
    """The numbers on the way back to the picture, one in a line."""
    say(
        "\nback to the picture, by the term that gives most towards each number (of "
        "equal ones the first):"
    )
    for number in numbers:
        place, term = ",".join(map(str, number.place)), number.foremost
        constant = f", {number.constant:.5g} the constant" if number.constant else ""
        if term is None:
            why = "cut off at 0" if not number.given else "no term gives towards it"
            say(f"  {number.step.name} {place} = {number.given:.5g}{constant}: {why}")
            return
        where = ",".join(map(str, term.place))
        source = "the picture" if term.source == PICTURE else term.source
        share = "padding" if NOWHERE in term.place else f"{source} {where}"
        say(
            f"  {number.step.name} {place} = {number.given:.5g}, of which "
            f"{term.product + 0.0:.5g} from {share}{constant}"
        )
