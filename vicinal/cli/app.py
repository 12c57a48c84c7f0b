"""The command line: one short function per verb.

Flags grow from the settings and from the functions' own parameters. Every verb has
`--json`: one JSON object on stdout and nothing else there. A user's mistake is one
message on stderr and exit code 2; `--debug` shows where it came from.
"""

import contextlib
import functools
import inspect as signatures
import io
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, Suppress

from vicinal.commands.arguments import (
    Data,
    ImageDataset,
    MaybePicture,
    Picture,
    RunFolder,
)
from vicinal.core.compute.threads import is_led
from vicinal.core.report.console import Console
from vicinal.core.storage.files import answers_file, to_json
from vicinal.errors import (
    CacheWarning,
    Interruption,
    NoDataError,
    ResumeError,
    RunError,
    SettingError,
    VicinalError,
    near_names,
)
from vicinal.images.settings import ImageSettings

OK, MISTAKE, INTERRUPTED = 0, 2, 130

Task = Literal["auto", "classification", "multilabel", "regression"]  # as labels.Task
Outcome = dict[str, Any]


def demo(
    wing: Positional[Literal["images", "graphs"]] = "images",
    /,
    seeds: int = 5,
    json: bool = False,
) -> Outcome:
    """See it work on data that are here already, without a network.

    Args:
        wing: what to see.
        seeds: repetitions of the transfer part, or of the part on edges.
        json: print one JSON object and nothing else.
    """
    if seeds < 1:
        raise SettingError(f"seeds must be 1 or more. Got {seeds} instead.")
    if wing == "graphs":
        from vicinal.graphs.demo import run_demo as graphs

        return graphs(Console(json), seeds=seeds)
    from vicinal.images.demo import run_demo

    return run_demo(Console(json), seeds=seeds)


def check(
    data: Data,
    /,
    task: Task = "auto",
    target: str | None = None,
    labels: str | None = None,
    quarantine: str | None = None,
    max_pixels: int = ImageSettings.max_pixels,
    json: bool = False,
) -> Outcome:
    """Open pictures, or a graph, and say what can be used, what cannot, and why.

    The flags here are those for pictures: `vicinal check DATA --help` has a graph's.

    Args:
        data: a folder per class, a folder with train/val/test, a CSV, or IDX files.
        task: what the labels are; auto reads it from them.
        target: the CSV column that holds the labels.
        labels: a CSV (path,label) of labels that were wrong; `-` leaves a picture out.
        quarantine: a CSV file for the list of what cannot be used.
        max_pixels: pixels above which a picture is refused.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import understand
    from vicinal.images.commands.check import check_data, tell

    voice, limit = Console(json), ImageSettings(max_pixels=max_pixels).max_pixels
    table = understand(data, task, target, labels)
    found = check_data(table, limit, voice.progress_bar("check"))
    tell(found, voice.say)
    if quarantine is not None:
        from vicinal.images.commands.check import write_quarantine

        write_quarantine(found, Path(quarantine))
    return {"data": data, **found.to_dict()}


def train(
    data: Data,
    /,
    settings: OmitArgPrefixes[ImageSettings] = ImageSettings(),  # noqa: B008 - frozen
    task: Task = "auto",
    target: str | None = None,
    labels: str | None = None,
    out: str | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    json: bool = False,
    explicit_flags: Suppress[frozenset[str]] = frozenset(),
) -> Outcome:
    """Learn from pictures or graphs: a tested model, a report and predictions.

    The flags here are those for pictures: `vicinal train DATA --help` has a graph's.

    Args:
        data: a folder per class, a folder with train/val/test, a CSV, or IDX files.
        settings: how to learn.
        task: what the labels are; auto reads it from them.
        target: the CSV column that holds the labels.
        labels: a CSV (path,label) of labels that were wrong, such as an edited
            suspects.csv; `-` leaves a picture out.
        out: the run folder to make (never overwritten: name, then name-2).
        resume: go on in the run folder named with --out.
        seed: seed of every random draw.
        device: cpu, cuda, mps ...; auto takes the best there is.
        json: print one JSON object and nothing else.
        typed: names of the flags that were given, so that a resumed run can tell them.
    """
    from vicinal.core.compute import distributed as data_parallel
    from vicinal.core.storage.run_folder import Run

    voice = Console(json)
    if resume and out is None:
        raise SettingError(
            "--resume needs --out RUN, the folder of the run to go on in."
        )
    place = Path(data).resolve()
    folder = out or f"runs/{place.name if place.is_dir() else place.stem}"
    asked = {
        "data": str(place),
        "task": task,
        "target": target,
        "labels": labels and str(Path(labels).resolve()),
        "parameters": settings.to_dict() | {"random_state": seed, "device": device},
    }
    if resume:
        with Run.resume(folder) as run, data_parallel.joined():
            asked = _as_it_began(run.folder, asked, explicit_flags)
            return _train_in(run, asked, _ready(asked), data, voice, resume)
    with data_parallel.joined():
        ready = _ready(asked)  # before there is a folder: it may lie inside the data
        with Run.create(folder) as run:
            return _train_in(run, asked, ready, data, voice, resume)


def train_along() -> None:
    """In a process that torchrun started, but not as the first: take its orders."""
    from vicinal.core.compute import distributed as data_parallel
    from vicinal.core.training.trainer import follow

    with data_parallel.joined() as joined:
        data_parallel.leave_signals_to_the_leader()
        follow(joined)


def _ready(asked: Outcome) -> tuple[Any, Any]:
    """The table and the estimator; a mistake is told before anything runs."""
    from vicinal.core.compute.runtime import find_device
    from vicinal.domains import estimator_type, row_for, understand

    labels = asked.get("labels")
    group = asked["parameters"].get("group_column")
    table = understand(asked["data"], asked["task"], asked["target"], labels, group)
    learner = estimator_type(row_for(table).estimator)(**asked["parameters"])
    find_device(learner.device)
    learner.check_start()
    learner.check_labels(table)
    return table, learner


def _train_in(
    run: Any, asked: Outcome, ready: Any, shown: str, voice: Console, resume: bool
) -> Outcome:
    from vicinal.core.compute.signals import stop_on_signal
    from vicinal.core.storage.run_folder import CHECKPOINT, how_to_resume
    from vicinal.core.training.trainer import Interrupted
    from vicinal.domains import row_for
    from vicinal.images.run import TrainingRun

    table, learner = ready
    row = row_for(table)
    if resume and (run.folder / "report.txt").exists():
        voice.say("this run is finished: its test and its report are made again")
    elif not resume:
        voice.say(f"run: {run.folder}")
    try:
        run.write("settings.json", {**asked, "estimator": row.estimator})
        voice.say(f"{shown}: {row.task} of pictures")
        report_progress = voice.progress_bar("open")
        with stop_on_signal() as stop_requested:
            work = TrainingRun(
                learner, table, run, shown, report_progress, stop_requested
            )
            for news in work.steps():
                told = news if isinstance(news, str) else _epoch_line(news, learner)
                voice.say(told)
    except (Interrupted, KeyboardInterrupt):
        raise Interruption(f"Interrupted. {how_to_resume(run.folder)}") from None
    except VicinalError as error:
        can_go_on = isinstance(error, RunError) and not isinstance(error, ResumeError)
        if can_go_on and (run.folder / CHECKPOINT).exists():
            raise RunError(f"{error} {how_to_resume(run.folder)}") from error
        _remove_if_bare(run.folder, error, resume)
        raise
    folder = run.folder
    voice.say(f"\nreport:  {folder / 'report.html'}")
    name = _quoted(str(folder))
    voice.say(f"use it:  vicinal predict {name} PICTURE...")
    voice.say(f"look in: vicinal explain {name} PICTURE, report {name} --shortcuts")
    return work.summary()


def _as_it_began(
    folder: Path, asked: Outcome, explicit_flags: frozenset[str]
) -> Outcome:
    """What a resumed run began with, and what the flags typed now may change.

    Raises SettingError for a flag that the run did not begin with.
    """
    from vicinal.core.storage.run_folder import is_run
    from vicinal.domains import settings_of
    from vicinal.images.estimator import FREE_TO_CHANGE

    if not is_run(folder):  # killed before it had written anything
        return asked
    began = settings_of(folder)
    given = asked["parameters"] | {k: asked[k] for k in ("task", "target", "labels")}
    given = {name: value for name, value in given.items() if name in explicit_flags}
    before = began | began["parameters"]
    wrong = [
        f"{name} ({before.get(name)!r} then, {value!r} now)"
        for name, value in given.items()
        if name not in FREE_TO_CHANGE and value != before.get(name)
    ]
    if wrong:
        raise SettingError(
            "A run is resumed with the settings it began with. Different here: "
            f"{', '.join(wrong)}. Leave them out, or begin a new run without --resume."
        )
    free = {name: value for name, value in given.items() if name in FREE_TO_CHANGE}
    return began | {"data": asked["data"], "parameters": began["parameters"] | free}


def _epoch_line(epoch: Any, learner: Any) -> str:
    """An epoch in a line; a star where it is the best one so far, if one is chosen."""
    mark = " *" if epoch.best and learner.chose_epoch_ else ""
    val = (
        ""
        if epoch.val_loss != epoch.val_loss
        else (f"   val loss {epoch.val_loss:.4f}   val score {epoch.val_score:.4f}")
    )
    return (
        f"epoch {epoch.epoch:>3}   loss {epoch.train_loss:.4f}{val}"
        f"   {epoch.seconds:.1f} s   {epoch.per_second:,.0f}/s{mark}"
    )


def _remove_if_bare(folder: Path, error: VicinalError, resume: bool) -> None:
    """Take away the new run folder that a user's mistake left with nothing to keep.

    After a setting that cannot hold there is nothing to go on with, and nothing in the
    folder that the message speaks of.
    """
    from vicinal.core.storage.run_folder import CHECKPOINT

    if resume or _is_model(str(folder)) or (folder / CHECKPOINT).exists():
        return
    bare = {path.name for path in folder.iterdir()} <= {".lock", "settings.json"}
    if bare or isinstance(error, SettingError):
        shutil.rmtree(folder, ignore_errors=True)


def evaluate(
    run: RunFolder,
    data: Data,
    /,
    target: str | None = None,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Score a trained model on other pictures, or graphs, with labels.

    The flags here are those for pictures: `vicinal evaluate RUN --help` has a graph's.

    Args:
        run: the run folder that `vicinal train` wrote.
        data: pictures with labels, in any form that `train` takes.
        target: the CSV column that holds the labels; else the one trained on.
        output: a CSV file for the predictions; one that is there is replaced.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import TABLE, load, target_of, understand
    from vicinal.images.report.training_overlap import seen_before
    from vicinal.images.run import write_csv
    from vicinal.images.training.linear_baseline import LinearModel

    voice, started_at = Console(json), time.monotonic()
    place = answers_file(output)
    model = load(run)
    _note_unfinished(run)
    if target is None and Path(data).is_file():
        target = target_of(Path(run))
    kind = model.objective_.kind
    task: Task = next(r.task for r in TABLE if r.labels == kind)
    table = understand(data, task, target)
    pictures, notes = model.scoring_part(table)
    found = model.evaluate(pictures, linear=LinearModel.load(Path(run)))
    found.notes[:0] = notes
    seen = seen_before(Path(run), pictures)
    found = found.with_training_overlap(
        seen,
        f"the model learned from {seen} of these {found.score.n} pictures, so the "
        "score flatters it; score it on others",
    )
    voice.say(str(found))
    voice.say(found.verdict)
    if place is not None:
        paths = [str(table.place / name) for name in found.predictions["path"]]
        write_csv(place, found.predictions.assign(path=paths))
        voice.say(f"predictions: {output}")
    seconds = round(time.monotonic() - started_at, 2)
    return {**found.to_dict(), "run": run, "data": data, "seconds": seconds}


def predict(
    run: RunFolder,
    inputs: ImageDataset,
    /,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Name what is in new pictures; or what nodes, edges or graphs are.

    The flags here are those for pictures: `vicinal predict RUN --help` has a graph's.

    Args:
        run: the run folder that `vicinal train` wrote.
        inputs: pictures, folders of pictures, or a CSV with a column of paths.
        output: a CSV file for the answers (one that is there is replaced); else they
            are printed.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load
    from vicinal.images.data.inputs import list_pictures
    from vicinal.images.predict import predict_all

    if not inputs:
        raise NoDataError("Name at least one picture, folder or CSV behind the run.")
    if _is_model(inputs[-1]) and not _is_model(run):
        raise SettingError(
            f"The run comes first: vicinal predict {_quoted(inputs[-1])} {_quoted(run)}"
        )
    place = answers_file(output)
    voice = Console(json)
    table = list_pictures(inputs)
    _note_unfinished(run)
    for note in table.notes:
        print(f"note: {note}", file=sys.stderr)
    outcome = predict_all(load(run), table, place, voice, keep=json)
    return {"run": run, **outcome}


def _note_unfinished(run: str) -> None:
    """Tell of a run that was stopped between its first answer and its report."""
    from vicinal.core.storage.run_folder import how_to_resume, is_run

    folder = Path(run)
    if _is_model(run) and is_run(folder) and not (folder / "report.txt").exists():
        told = "this run is not finished: its best model so far answers"
        print(f"note: {told}. {how_to_resume(folder)}", file=sys.stderr)


def _is_model(folder: str) -> bool:
    return (Path(folder) / "model.json").exists()


def explain(
    run: RunFolder,
    picture: Picture,
    /,
    method: Literal["gradcam", "integrated_gradients", "occlusion", "all"] = "gradcam",
    target: str | None = None,
    against: str | None = None,
    output: str | None = None,
    seed: int = 0,
    json: bool = False,
) -> Outcome:
    """Show what an answer rests on, and whether that beats chance.

    The flags here are those for pictures: `vicinal explain RUN --help` has a graph's.

    Args:
        run: the run folder that `vicinal train` wrote, or trained weights as
            --weights takes them.
        picture: the picture whose answer is to be explained.
        method: how to ask; all compares them.
        target: the class to be explained; else the one that the model names.
        against: another class: why the first and not this one.
        output: the drawing, a .png, .svg or .pdf file; else one in RUN/explain.
        seed: seed of the random maps that it is held against.
        json: print one JSON object and nothing else.
    """
    from vicinal.images.commands import explain_plots as verbs

    voice = Console(json)
    where = verbs.InspectRequest(_opened(run, voice), run, picture, None, output)
    asked = {"target": target, "against": against, "seed": seed}
    return verbs.explain(where, method, asked, voice.say)


def inspect(
    run: RunFolder,
    picture: MaybePicture = None,
    /,
    layer: str | None = None,
    at: str | None = None,
    back: bool = False,
    show: Literal["maps", "filters", "patches", "synthesis"] = "maps",
    channels: str | None = None,
    target: str | None = None,
    output: str | None = None,
    seed: int = 0,
    json: bool = False,
) -> Outcome:
    """Look inside: the layers, one number and its terms, maps, filters, messages.

    The flags here are those for pictures: `vicinal inspect RUN --help` has a graph's.

    Args:
        run: the run folder that `vicinal train` wrote, or trained weights as
            --weights takes them.
        picture: the picture to look at; else those that the run was tested on.
        layer: a layer of the table: its maps for the picture.
        at: channel,row,column of the layer: what that number is made of.
        back: with --at: on through the layers to the picture, by the largest term.
        show: a layer's maps for the picture; the first layer's filters; the patches
            that excite a layer's channels most; or pictures made to excite them.
        channels: numbers of the channels that are shown, such as 0,5,7.
        target: with --show synthesis: a class, in place of a layer.
        output: the drawing, a .png, .svg or .pdf file.
        seed: seed of the picture that a synthesis begins with.
        json: print one JSON object and nothing else.
    """
    from vicinal.images.commands import explain_plots as verbs

    voice = Console(json)
    where = verbs.InspectRequest(_opened(run, voice), run, picture, layer, output)
    if show != "maps" and (at is not None or back):
        raise SettingError(f"--at and --back open one number: leave --show {show} out.")
    if back and layer is None:
        raise SettingError("--back wants a --layer and --at: the number to begin with.")
    if show != "maps":
        return verbs.show(where, show, channels, target, seed, voice.say)
    return verbs.inspect(where, at, back, channels, voice.say)


def _opened(run: str, voice: Console) -> Any:
    """The model of a run; or trained weights as they came, where that is their name."""
    from vicinal.domains import load
    from vicinal.images.weights.pretrained import WEIGHTS

    weights = run in WEIGHTS or run.startswith("timm:") or run.endswith(".safetensors")
    if _is_model(run) or not weights:
        return load(run)
    from vicinal.images.pretrained_classifier import load_pretrained

    return load_pretrained(run, tell=voice.say)


def report(
    run: RunFolder,
    /,
    shortcuts: bool = False,
    beside_dense: bool = False,
    json: bool = False,
) -> Outcome:
    """Write a run's report again and print it as text, with more in it if asked.

    Args:
        run: the run folder that `vicinal train` wrote.
        shortcuts: look for parts of the picture that give the answer by themselves.
        beside_dense: train a small CNN and a dense network on the same pictures.
        json: print one JSON object and nothing else.
    """
    from vicinal.core.report.report import Report
    from vicinal.core.storage import run_folder as runs
    from vicinal.core.storage.files import write_text

    folder, voice = Path(run), Console(json)
    page = Report.from_dict(runs.read(folder, "report.json"))
    more: Outcome = {}
    if shortcuts or beside_dense:
        from vicinal.core.storage.files import write_json
        from vicinal.domains import load
        from vicinal.images.report import extra_sections as look_again

        model = load(run)
        asked = {
            "shortcuts": look_again.shortcuts_of if shortcuts else None,
            "beside_dense": look_again.dense_beside_cnn if beside_dense else None,
        }
        for name, look in asked.items():
            if look is not None:
                section, more[name] = look(folder, model, voice.say)
                page = page.with_section(section)
        write_json(folder / "report.json", page.to_dict())
        write_text(folder / "report.txt", page.text())
    path = folder / "report.html"
    write_text(path, page.html())
    voice.say(page.text())
    voice.say(f"page: {path}")
    metrics = runs.read(folder, "metrics.json")
    return {"run": run, "page": str(path), "score": metrics["score"], **more}


def info(json: bool = False) -> Outcome:
    """Show versions, the device, the networks, and what the cache holds.

    Args:
        json: print one JSON object and nothing else.
    """
    from vicinal.cli.info import about

    told = about()
    Console(json).print_table(told)
    return told


VERBS: dict[str, Callable[..., Outcome]] = {
    "demo": demo,
    "check": check,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "explain": explain,
    "inspect": inspect,
    "report": report,
    "info": info,
}

DESCRIPTION = (
    "vicinal learns from neighbourhoods. Begin with `vicinal demo images`, or "
    "`vicinal train FOLDER` with a folder of pictures per class. "
    "`--debug` with any verb shows where an error came from."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code is 0 only on success."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name in any script can be printed
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if is_led():
            if words[:1] == ["train"]:
                train_along()
            return OK
        with _warnings_as_notes():
            outcome = _understood(words)()
        if "--json" in words:
            print(to_json(outcome), flush=True)
    except SystemExit as stop:  # help was asked for, or the words were not understood
        return stop.code if isinstance(stop.code, int) else MISTAKE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (VicinalError, OSError, KeyboardInterrupt) as error:
        if debug:
            raise
        print(f"vicinal: {_told(error)}", file=sys.stderr)
        stopped = isinstance(error, (KeyboardInterrupt, Interruption))
        return INTERRUPTED if stopped else MISTAKE
    return OK


@contextlib.contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Say what vicinal warns of in a sentence, without file and line."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CacheWarning)  # whatever -W says: it is a note
        show = warnings.showwarning

        def say(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if issubclass(category, CacheWarning):
                print(f"note: {message}", file=sys.stderr)
            else:
                show(message, category, *where)

        warnings.showwarning = say
        yield


def _understood(words: list[str]) -> Callable[[], Outcome]:
    """The verb that the words ask for, with its arguments.

    Raises SettingError for a verb nobody knows, and for a setting out of its range.
    """
    if words and not words[0].startswith("-") and words[0] not in VERBS:
        raise SettingError(
            f"There is no verb {words[0]!r}. {near_names(words[0], VERBS)}"
        )
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            call: Any = tyro.extras.subcommand_cli_from_dict(
                {name: _held(verb) for name, verb in _verbs(words).items()},
                prog="vicinal",
                description=DESCRIPTION,
                args=words,
                config=(FlagCreatePairsOff,),
            )
        return (
            functools.partial(call, explicit_flags=_typed(words))
            if _asks(call)
            else call
        )
    except SystemExit as stop:
        cause: BaseException | None = stop
        while cause is not None and not isinstance(cause, SettingError):
            cause = cause.__context__
        if cause is not None:  # in its own words, without the parser's around them
            raise cause from None
        sys.stderr.write(said.getvalue())
        raise


def _verbs(words: list[str]) -> dict[str, Callable[..., Outcome]]:
    """The verbs, with those for graphs where the words name graphs or a run of them."""
    from vicinal.domains import (
        What,
        refuse_lost_run,
        what_of_data,
        what_of_run,
    )
    from vicinal.graphs.commands.common import VERBS as FOR_GRAPHS

    verb, *rest = words or [""]
    if verb not in FOR_GRAPHS["nodes"]:
        return VERBS
    reads = verb in ("check", "train")
    what_of = what_of_data if reads else what_of_run
    what: What = "pictures"
    for word in rest:
        if word[:1] != "-" and what == "pictures":
            what = what_of(word)
    named = [word for word in rest if word[:1] != "-"]
    if named and not reads and what == "pictures":
        refuse_lost_run(named[0])
    flags = {word.split("=")[0] for word in rest}
    if reads and what == "pictures" and "--edges" in flags:
        what = "nodes"
    if reads and what in ("nodes", "pictures") and _asks_for_edges(rest):
        what = "edges"
    if verb == "train" and what == "edges" and "--network" in flags:
        raise SettingError(
            "Of edges the network is chosen by its --decoder: dot, bilinear or mlp; "
            "none, the default, is the first answer alone."
        )
    return VERBS | FOR_GRAPHS.get(what, {})


def _asks_for_edges(words: list[str]) -> bool:
    return "--task=links" in words or "--task links" in " ".join(words)


def _asks(call: Any) -> bool:
    """Whether a verb wants to know which flags were typed."""
    return "explicit_flags" in signatures.signature(call.func).parameters


def _typed(words: list[str]) -> frozenset[str]:
    """The settings that flags name: `--lr 0.1`, `--batch-size=8`, `--seed 3`."""
    flags = (word[2:].split("=")[0] for word in words if word.startswith("--"))
    names = (flag.replace("-", "_") for flag in flags)
    return frozenset("random_state" if name == "seed" else name for name in names)


def _held(verb: Callable[..., Outcome]) -> Callable[..., Callable[[], Outcome]]:
    """The verb as a function that takes its arguments and does not run yet."""

    @functools.wraps(verb)
    def hold(*arguments: Any, **named: Any) -> Callable[[], Outcome]:
        return functools.partial(verb, *arguments, **named)

    return hold


def _told(error: BaseException) -> str:
    """An error's message; of the system's own, the file and the reason."""
    if isinstance(error, OSError) and not isinstance(error, VicinalError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}."
    return str(error) or "interrupted"


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


if __name__ == "__main__":
    raise SystemExit(main())
