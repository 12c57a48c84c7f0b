"""`vicinal train`: from data to a tested model in a run directory, for every domain."""

import shlex
import shutil
import time
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, NamedTuple

from vicinal.commands.options import TrainOptions
from vicinal.core.compute import distributed, signals
from vicinal.core.domain import Domain, Outcome, import_object
from vicinal.core.estimators.training_run import resume_hint_on_signal
from vicinal.core.report.console import Console
from vicinal.core.settings import Settings
from vicinal.core.storage.resuming import restore_options, settings_to_resume
from vicinal.core.storage.run_folder import CHECKPOINT, MODEL_JSON, Run, resume_hint
from vicinal.core.training.trainer import Epoch, TrainingInterrupted, run_worker
from vicinal.errors import (
    DataError,
    ResumeError,
    RunError,
    SettingError,
    VicinalError,
)


class Request(NamedTuple):
    """What was typed; a resumed run reads it from its settings.json."""

    data: str
    options: Any
    """the domain's dataclass of options for reading"""

    settings: Settings
    common: TrainOptions
    explicit: frozenset[str]
    """names of the flags that were typed"""

    def to_dict(self, domain: Domain) -> dict[str, Any]:
        """Return what settings.json holds."""
        own = {"random_state": self.common.seed, "device": self.common.device}
        return {
            "domain": domain.name,
            "data": str(Path(self.data).resolve()),
            "options": {
                f.name: _absolute(self.options, f) for f in fields(self.options)
            },
            "parameters": self.settings.to_dict() | own,
        }


def train(domain: Domain, request: Request, console: Console) -> Outcome:
    """Train, or resume the run of --out; the run's summary."""
    started_at, common = time.monotonic(), request.common
    if common.resume and common.out is None:
        raise SettingError("--resume needs --out RUN, the run directory to continue.")
    data = Path(request.data).resolve()
    folder = common.out or f"runs/{data.name if data.is_dir() else data.stem}"
    asked = request.to_dict(domain)
    if common.resume:
        with (
            Run.resume(folder) as run,
            resume_hint_on_signal(run.folder),
            distributed.join_process_group(),
        ):
            free = domain.settings.free_on_resume
            asked = settings_to_resume(
                run.folder, asked, request.explicit, free, domain.data_may_move
            )
            ready = _prepare(domain, asked)
            return _train_in(run, domain, asked, ready, request, console, started_at)
    with distributed.join_process_group():
        ready = _prepare(domain, asked)  # before RUN exists: it may lie inside DATA
        with Run.create(folder) as run, resume_hint_on_signal(run.folder):
            return _train_in(run, domain, asked, ready, request, console, started_at)


def train_as_worker() -> None:
    """Serve the first process, in a further one that torchrun started."""
    with distributed.join_process_group() as group:
        distributed.ignore_signals()
        run_worker(group)


def _prepare(domain: Domain, asked: Outcome) -> tuple[Any, Any, str]:
    """Read the data and make the estimator: (dataset, estimator, task).

    A user's mistake is found here, before anything runs.
    """
    options = restore_options(domain.data, asked["options"])
    read_data = import_object(domain.read)
    dataset, task = read_data(asked["data"], options, asked["parameters"])
    wanted = getattr(options, "task", "auto")
    if wanted not in ("auto", task):
        raise DataError(
            f"--task {wanted} does not fit the labels, which are those of {task}."
        )
    estimator = domain.estimator(task)(**asked["parameters"])
    estimator.check_data(dataset)
    return dataset, estimator, task


def _train_in(
    run: Run,
    domain: Domain,
    asked: Outcome,
    ready: tuple[Any, Any, str],
    request: Request,
    console: Console,
    started_at: float,
) -> Outcome:
    dataset, estimator, task = ready
    resume = request.common.resume
    if resume and (run.folder / "report.txt").exists():
        console.print("this run is finished: its test and its report are made again")
    elif not resume:
        console.print(f"run: {run.folder}")
    name = type(estimator).__name__
    run.write("settings.json", {**asked, "task": task, "estimator": name})
    console.print(f"{request.data}: {task} ({name})")
    try:
        work = import_object(domain.run)(
            estimator=estimator,
            data=dataset,
            run=run,
            source=request.data,
            report_progress=console.progress_bar("read"),
            stop_requested=signals.stop_requested,
            started_at=started_at,
        )
        for step in work.steps():
            if isinstance(step, Epoch):
                step = step.describe(mark_best=work.selects_epoch)
            console.print(step)
    except TrainingInterrupted:
        raise
    except VicinalError as error:
        resumable = isinstance(error, RunError) and not isinstance(error, ResumeError)
        if resumable and (run.folder / CHECKPOINT).exists():
            raise RunError(f"{error} {resume_hint(run.folder)}") from error
        _remove_if_empty(run.folder, error, resume)
        raise
    _print_next_steps(run.folder, domain, console)
    return work.summary()


def _print_next_steps(folder: Path, domain: Domain, console: Console) -> None:
    name = shlex.quote(str(folder))
    console.print(f"\nreport:   {folder / 'report.html'}")
    for command, example in domain.examples.items():
        console.print(f"{command + ':':<9} vicinal {command} {name} {example}".rstrip())


def _remove_if_empty(folder: Path, error: VicinalError, resume: bool) -> None:
    """Remove the new run directory when a user's mistake left nothing worth keeping."""
    if resume or any((folder / n).exists() for n in (MODEL_JSON, CHECKPOINT)):
        return
    bare = {path.name for path in folder.iterdir()} <= {".lock", "settings.json"}
    named = (folder / "data" / "quarantine.csv").exists()  # the message points to it
    if bare or isinstance(error, SettingError):
        shutil.rmtree(folder, ignore_errors=True)
    elif isinstance(error, DataError) and not named:
        shutil.rmtree(folder, ignore_errors=True)


def _absolute(options: Any, option: Field[Any]) -> Any:
    """Return an option's value; of one that names a file the absolute path."""
    value = getattr(options, option.name)
    names_file = option.metadata.get("metavar", "").startswith("FILE")
    return str(Path(value).resolve()) if names_file and value is not None else value
