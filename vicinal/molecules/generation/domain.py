"""The domain of new molecules: what each command takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vicinal.core.domain import Command, Domain, EvaluateOptions, flag, positional
from vicinal.molecules.generation.settings import GeneratorSettings


def detect_nothing(path: Path, flags: frozenset[str]) -> str | None:
    """Return None: --task chooses this domain, not the form of the data."""
    return None


@dataclass(frozen=True, kw_only=True)
class GenerationData:
    """Options for reading molecules."""

    task: Literal["generation"] = "generation"
    """learn to make new molecules; targets are not needed, and not used"""


@dataclass(frozen=True, kw_only=True)
class CheckGenerationData(GenerationData):
    """Options for reading molecules."""

    smiles_columns: str | None = flag("COLUMN")
    """column of SMILES or InChI; default: detected"""


@dataclass(frozen=True)
class EvaluateGenerator(EvaluateOptions):
    """The molecules whose likelihood is computed."""

    data: str | None = positional("DATA", None)
    """other molecules; default: the run's own test split"""


@dataclass(frozen=True)
class GenerateMolecules:
    """How many molecules, and which."""

    number: int = flag("N", 100, short="-n")
    """number of molecules, all different"""

    grow: str | None = flag("SMILES")
    """core that each contains, with * at the atoms where fragments may be added, such
    as c1ccc(*)cc1"""

    optimise: tuple[str, ...] | None = flag("OBJECTIVE ...")
    """search for high scores: qed, logp, similarity:SMILES, or the run of a property
    model, of which a calibrated lower bound is maximised; with several, for molecules
    that no other dominates"""

    minimise: tuple[str, ...] | None = flag("OBJECTIVE ...")
    """search for low scores; of a property model the upper bound is minimised"""

    extrapolate: bool = False
    """let a property model also score molecules unlike those that it was trained on"""

    budget: int = flag("N", 3000)
    """molecules that a search scores at most"""

    use_network: bool = False
    """let a search use the network too, not the counts alone: slower, and somewhat
    better for as many evaluations"""

    start: str | None = flag("FILE")
    """molecules that a search starts from; default: 100 training molecules"""

    min_weight: float | None = flag("G/MOL")
    """lowest molecular weight"""

    max_weight: float | None = flag("G/MOL")
    """highest molecular weight"""

    temperature: float = flag("X", 1.0)
    """below 1 likely fragments are preferred, above 1 unlikely ones are drawn more
    often"""

    novel: bool = False
    """leave out the molecules of the file that the generator learned from"""

    seed: int = 0
    """seed of every random number generator"""

    output: str | None = flag("FILE")
    """write the molecules here: .csv, .sdf, .smi, or .html for a page of drawings; an
    existing file is replaced"""

    @property
    def searches(self) -> bool:
        """Return whether something is maximised or minimised."""
        return bool(self.objectives)

    @property
    def objectives(self) -> list[str]:
        """Return what is maximised, then what is minimised."""
        return [*(self.optimise or ()), *(self.minimise or ())]


@dataclass(frozen=True)
class ExplainMoleculeGrowth:
    """The molecule whose growth is shown."""

    molecule: str = positional("SMILES")
    """structure as SMILES or InChI; stereochemistry is dropped"""

    top: int = flag("N", 5)
    """alternatives to show at each step"""

    output: str | None = flag("FILE.html")
    """write a page with the drawn steps here"""


COMMANDS = "vicinal.molecules.generation.commands"
GENERATION = Domain(
    name="generation",
    summary="make new molecules like those of a set, or with a high score",
    reads="what molecules reads, with --task generation",
    detect=detect_nothing,
    data=GenerationData,
    settings=GeneratorSettings,
    estimators={
        "generation": "vicinal.molecules.generation.generator:MoleculeGenerator"
    },
    read=f"{COMMANDS}:read",
    run="vicinal.molecules.generation.run:GenerationRun",
    commands={
        "check": Command(CheckGenerationData, f"{COMMANDS}:check"),
        "evaluate": Command(EvaluateGenerator, f"{COMMANDS}:evaluate"),
        "generate": Command(
            GenerateMolecules,
            f"{COMMANDS}:generate",
            plots=(".csv", ".sdf", ".smi", ".html"),
        ),
        "explain": Command(
            ExplainMoleculeGrowth, f"{COMMANDS}:explain", plots=(".html",)
        ),
    },
    examples={"generate": "-n 1000 --output new.csv", "explain": "SMILES"},
    reads_data_of="molecules",
    demo="vicinal.molecules.generation.demo:run_demo",
)
