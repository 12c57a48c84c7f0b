"""Options that a command has in every domain."""

from dataclasses import dataclass

from vicinal.core.domain import flag, positional
from vicinal.domains import DOMAINS


@dataclass(frozen=True)
class DataArgument:
    """The data."""

    data: str = positional("DATA")
    """data to read; `vicinal train --help` lists what each domain reads"""


@dataclass(frozen=True)
class RunArgument:
    """The run."""

    run: str = positional("RUN")
    """run directory that `vicinal train` wrote"""


@dataclass(frozen=True, kw_only=True)
class JsonOption:
    """Options of every command."""

    json: bool = False
    """print one JSON object on stdout, and nothing else there"""


@dataclass(frozen=True, kw_only=True)
class CheckOptions(JsonOption):
    """Options of `vicinal check` in every domain."""

    domain: str | None = flag("NAME")
    """read the data as those of this domain; default: detected"""

    quarantine: str | None = flag("FILE.csv")
    """write the list of everything that cannot be used here"""


@dataclass(frozen=True, kw_only=True)
class TrainOptions(JsonOption):
    """Options of `vicinal train` in every domain."""

    domain: str | None = flag("NAME")
    """read the data as those of this domain; default: detected"""

    out: str | None = flag("RUN")
    """run directory to create (never overwritten: name, then name-2); default:
    runs/NAME-OF-DATA"""

    resume: bool = False
    """continue the interrupted run of --out"""

    seed: int = 0
    """seed of every random number generator"""

    device: str = flag("DEVICE", "auto")
    """cpu, cuda, mps, ...; auto: the fastest available"""


@dataclass(frozen=True, kw_only=True)
class DemoOptions(JsonOption):
    """Options of `vicinal demo`."""

    seeds: int = 5
    """repetitions of the parts that are averaged"""


@dataclass(frozen=True)
class DemoArgument:
    """What the demonstration shows."""

    domain: str = positional(
        "|".join(d.demo_name or d.name for d in DOMAINS if d.demo), "images"
    )
    """what to demonstrate"""
