"""A domain as one value: how its data are recognised and read, and what can be done.

The command line, its help and its JSON grow from these values; `vicinal.domains` lists
them. Nothing but a domain's own package asks which domain it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from vicinal.core.extras import import_with_extras
from vicinal.core.storage.run_folder import read_settings, read_table
from vicinal.errors import DataError, RunError

Outcome = dict[str, Any]
"""what a command prints with --json"""

Task = Literal["auto", "classification", "multilabel", "regression"]
"""values of --task"""


def import_object(name: str) -> Any:
    """Import "module:attribute" when it is needed, as `import_with_extras`."""
    module, attribute = name.split(":")
    return getattr(import_with_extras(module), attribute)


def positional(metavar: str, default: Any = MISSING) -> Any:
    """Declare a field that is a positional argument; a list takes several words."""
    metadata = {"metavar": metavar, "positional": True}
    if isinstance(default, (list, tuple)):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def flag(metavar: str, default: Any = None, short: str = "") -> Any:
    """Declare a field that is a flag whose value is called `metavar` in help.

    short: another way to write it, such as -n.
    """
    return field(default=default, metadata={"metavar": metavar, "short": short})


class OpenRun(NamedTuple):
    """A trained model and where it came from."""

    name: str
    """run directory as it was typed, or the name of pretrained weights"""

    model: Any

    @property
    def path(self) -> Path:
        return Path(self.name)

    def trained_target(self) -> str | None:
        """Return the column that --target named in training."""
        return self._settings().get("options", {}).get("target")

    def data_path(self) -> Path | None:
        """Return the path of the run's data; None for a model that `save` wrote."""
        data = self._settings().get("data")
        return None if data is None else Path(data)

    def is_data(self, data: str) -> bool:
        """Return whether a path is that of the data of the run."""
        return Path(data).resolve() == self.data_path()

    def training_names(self) -> set[str]:
        """Return the names of the training examples; none where the run has no list."""
        if not (self.path / "data" / "splits.csv").exists():
            return set()
        rows = read_table(self.path, "data/splits.csv", ["id", "split"])
        return set(rows["id"][rows["split"] == "train"])

    def _settings(self) -> dict[str, Any]:
        try:
            return read_settings(self.path)
        except RunError:  # a model directory that `save` wrote
            return {}


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Output of the evaluation on the run's own test split."""

    output: str | None = flag("FILE.csv")
    """write the predictions here; an existing file is replaced"""


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Where predictions go."""

    output: str | None = flag("FILE.csv")
    """write the predictions here instead of printing them; an existing file is
    replaced"""


@dataclass(frozen=True)
class Command:
    """What a command takes and does in one domain."""

    arguments: type
    """dataclass of its positional arguments and flags, each with a docstring"""

    function: str
    """"module:function", imported when the command runs"""

    plots: tuple[str, ...] = (".png", ".svg", ".pdf")
    """suffixes that --output of `explain` and `inspect` takes"""

    def __call__(self, *arguments: Any) -> Any:
        return import_object(self.function)(*arguments)


@dataclass(frozen=True)
class Domain:
    """Everything that the rest of the code has to know of one domain."""

    name: str
    """as --domain takes it"""

    summary: str
    """one line for help: what is learned"""

    reads: str
    """one line: the forms of data it reads"""

    detect: Callable[[Path, frozenset[str]], str | None]
    """(path, names of the flags typed, not their values) -> what was recognised, in a
    few words; None: not this domain's. Looks at names and first lines only"""

    data: type
    """dataclass of the options for reading"""

    settings: type
    """dataclass of the options for training"""

    estimators: Mapping[str, str]
    """task -> "module:class" """

    read: str
    """"module:function" (path, data options, parameters) -> (dataset, task)"""

    run: str
    """"module:class" of the training run"""

    commands: Mapping[str, Command]
    """check, evaluate, predict, ask, recommend, explain, inspect, generate, as far as
    the domain has them, and report where it offers more.

    The function of check gets (data, arguments, console), the others
    (OpenRun, arguments, console). The arguments of evaluate and predict are dataclasses
    below `EvaluateOptions` and `PredictOptions`; a field `data` is never a run. The
    functions print nothing but progress and return

    - check: a `core.report.data_check.DataCheck`
    - evaluate: a `core.evaluation.evaluation.Evaluation`
    - predict, ask, recommend: `core.report.predictions.Predictions`, or what --json
      prints where predictions are written one by one
    - explain, inspect, generate: a `core.report.finding.Finding`
    - report: (sections to add, the same as JSON)
    """

    examples: Mapping[str, str]
    """commands to name after training, with what each takes behind RUN"""

    reads_data_of: str = ""
    """domain that recognises the data; this one is then chosen by --task"""

    demo: str | None = None
    """"module:function" (console, seeds) -> outcome"""

    demo_name: str = ""
    """as `vicinal demo` takes it; "": the name of the domain"""

    info: str | None = None
    """"module:function" () -> further entries of `vicinal info`, by name"""

    is_pretrained: str | None = None
    """"module:function" (name) -> bool: whether it names pretrained weights, which
    `explain` and `inspect` accept in place of a run"""

    open_pretrained: str | None = None
    """"module:function" (name, log=print line) -> model with these weights"""

    data_may_move: bool = False
    """whether a run may be resumed with its data at another path (they are compared)"""

    def estimator(self, task: str) -> type[Any]:
        """Return the estimator's class for a task; DataError where there is none."""
        if task not in self.estimators:
            raise DataError(
                f"The task of these data is {task}, which {self.name} do not have. "
                f"There is {', '.join(self.estimators)}: choose one with --task."
            )
        return import_object(self.estimators[task])
