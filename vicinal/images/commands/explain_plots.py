"""What the command line does inside: `vicinal explain` and `vicinal inspect`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vicinal.core.text import percent
from vicinal.errors import SettingError
from vicinal.images.explain.explain import METHODS
from vicinal.images.explain.explain import explain as explained
from vicinal.images.explain.explanation import draw_explanations
from vicinal.images.inspect import gallery
from vicinal.images.inspect import inspect as inspection
from vicinal.images.inspect.plots import draw_maps, draw_number

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

Say = Callable[[str], None]
Outcome = dict[str, Any]
"""what --json prints"""

DRAWINGS = (".png", ".svg", ".pdf")


class InspectRequest(NamedTuple):
    """What is looked into, and where the drawing goes."""

    model: "ImageModel"
    name: str
    """the run's folder, or the weights"""
    picture: str | None
    layer: str | None
    output: str | None

    @property
    def run(self) -> Path:
        return Path(self.name)

    def drawing(self, name: str) -> Path:
        """The file asked for, else one in the run; of mere weights, here."""
        usual = self.run if self.run.is_dir() else Path()
        return drawing(self.output, usual / "explain" / name)


def explain(
    where: InspectRequest, method: str, asked: dict[str, Any], say: Say
) -> Outcome:
    """One method, or all of them, on one picture."""
    assert where.picture is not None
    started_at = time.monotonic()
    between = [asked[k] for k in ("target", "against") if asked.get(k)]
    place = where.drawing("-".join([Path(where.picture).stem, method, *between]))
    names = list(METHODS) if method == "all" else [method]
    found = []
    for name in names:
        say(f"{name} ...")
        one = explained(where.model, where.picture, name, **asked)
        if not found:
            say(_what_is_explained(where, one, asked.get("against") is not None))
        say(f"{one.method}, map in {one.seconds:.2f} s: {one.verdict}")
        found.append(one)
    draw(draw_explanations(found), place)
    say(f"{time.monotonic() - started_at:.0f} s in all")
    say(f"drawing: {place}")
    return {
        "run": where.name,
        "picture": where.picture,
        "explanations": [one.to_dict() for one in found],
        "drawing": str(place),
    }


def _what_is_explained(where: InspectRequest, one: Any, between: bool) -> str:
    """The answer, and what of the picture it was given for."""
    score = percent(one.score) if 0 <= one.score <= 1 else f"{one.score:.4g}"
    told = f"{where.picture}: {one.target} {score}{' of the two' if between else ''}"
    if where.model.is_unknown([where.picture])[0]:
        told += "; it is unlike what was learned from, so do not lean on the answer"
    return f"{told}\n{inspection.as_seen(where.model.preprocessing_)}"


def inspect(
    where: InspectRequest, at: str | None, back: bool, channels: str | None, say: Say
) -> Outcome:
    """The layer table, the maps of a layer, or one number."""
    if where.layer is None:
        if at is not None or where.output is not None:
            raise SettingError("--at and --output want a --layer of the table.")
        shown = inspection.pictures_in(where.picture, where.run)
        rows = inspection.csr_by_target(where.model, shown)
        inspection.tell_rows(rows, say, len(shown))
        return {"run": where.name, "layers": [row._asdict() for row in rows]}
    place = None if where.output is None else drawing(where.output, Path())
    wanted = inspection.channels_of(channels)
    shown = where.picture or inspection.pictures_in(None, where.run)[0]
    seen = inspection.look_into(where.model, shown)
    named = {"run": where.name, "picture": shown}
    if at is None:
        if back:
            raise SettingError("--back wants --at: the number to begin with.")
        maps = inspection.maps_of(seen, where.layer)
        inspection.check_channels(wanted, len(maps), where.layer)
        inspection.tell_maps(where.layer, maps, wanted, say)
        _draw_if_asked(place, lambda: draw_maps(maps, str(where.layer), wanted), say)
        return named | inspection.maps_to_dict(where.layer, maps)
    numbers = inspection.followed(seen, where.layer, inspection.place_of(at), back)
    fields = [inspection.field_of(seen, number) for number in numbers]
    say(inspection.as_seen(where.model.preprocessing_))
    inspection.tell_number(numbers[0], fields[0], say)
    if back:
        inspection.tell_way(numbers, say)
    _draw_if_asked(place, lambda: draw_number(numbers[0], fields, seen.pixels), say)
    both = zip(numbers, fields, strict=True)
    return named | {"numbers": [inspection.number_to_dict(n, box) for n, box in both]}


def _draw_if_asked(place: Path | None, made: Callable[[], Any], say: Say) -> None:
    if place is not None:
        draw(made(), place)
        say(f"drawing: {place}")


def show(
    where: InspectRequest,
    what: str,
    channels: str | None,
    target: str | None,
    seed: int,
    say: Say,
) -> Outcome:
    """Filters, patches, or a synthesis, as a sheet."""
    wanted = inspection.channels_of(channels)
    if what == "filters" and where.layer is not None:
        raise SettingError(
            "--show filters are those of the first layer. Leave --layer out, or ask "
            "for the layer's patches or a synthesis."
        )
    name = "-".join(filter(None, (what, where.layer, target)))
    place = where.drawing(name)
    if what == "filters":
        sheet = gallery.filters(where.model)
    elif what == "synthesis":
        say("some 20 s for each picture that is made ...")
        sheet = gallery.synthesis(where.model, where.layer, wanted, target, seed=seed)
    elif where.layer is None:
        raise SettingError("--show patches wants a --layer of the table.")
    else:
        pictures = inspection.pictures_in(where.picture, where.run)
        sheet = gallery.patches(where.model, pictures, where.layer, wanted)
    for line in sheet.lines:
        say(line)
    draw(sheet.drawing, place)
    say(f"drawing: {place}")
    return {"run": where.name, **sheet.told, "drawing": str(place)}


def drawing(output: str | None, usual: Path) -> Path:
    """Where a drawing goes; SettingError for one that cannot be written there.

    That is tried before the work begins.
    """
    place = usual.with_name(f"{usual.name}.png") if output is None else Path(output)
    if place.suffix.lower() not in DRAWINGS:
        raise SettingError(
            f"--output must end in {', '.join(DRAWINGS)}. Got {output!r} instead."
        )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("ab"):
            pass
        if not place.stat().st_size:
            place.unlink()
    except OSError as error:
        raise SettingError(_not_written(place, error)) from error
    return place


def _not_written(place: Path, error: OSError) -> str:
    why = error.strerror or error
    return f"{place} cannot be written: {why}. Name another file with --output."


def draw(sheet: Any, place: Path) -> None:
    """Write a figure to a file; SettingError where that cannot be done."""
    try:
        sheet.savefig(place, dpi=150)
    except OSError as error:
        raise SettingError(_not_written(place, error)) from error
