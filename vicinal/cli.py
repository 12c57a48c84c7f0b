"""The command line: one short function per verb.

Flags grow from the settings and from the functions' own parameters. Every verb has
`--json`: one JSON object on stdout and nothing else there. A user's mistake is one
message on stderr and exit code 2; `--debug` shows where it came from.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional

from vicinal.core.files import to_json
from vicinal.errors import SettingError, VicinalError
from vicinal.images.settings import ImageSettings
from vicinal.voice import Voice

OK, MISTAKE, INTERRUPTED = 0, 2, 130

Task = Literal["auto", "classification", "multilabel", "regression"]
Outcome = dict[str, Any]


def demo(
    wing: Positional[Literal["images"]] = "images",
    /,
    seeds: int = 5,
    json: bool = False,
) -> Outcome:
    """See it work on data that are here already, without a network.

    Args:
        wing: what to see.
        seeds: repetitions of the transfer part.
        json: print one JSON object and nothing else.
    """
    from vicinal.images.demo import run_demo

    return run_demo(Voice(json), seeds=seeds)


def check(
    data: Positional[str],
    /,
    task: Task = "auto",
    target: str | None = None,
    quarantine: str | None = None,
    max_pixels: int = ImageSettings.max_pixels,
    json: bool = False,
) -> Outcome:
    """Open every picture and say what can be used, what cannot, and why.

    Args:
        data: a folder per class, a folder with train/val/test, a CSV, or IDX files.
        task: what the labels are; auto reads it from them.
        target: the CSV column that holds the labels.
        quarantine: a CSV file for the list of what cannot be used.
        max_pixels: pixels above which a picture is refused.
        json: print one JSON object and nothing else.
    """
    from vicinal.images.check import check_data, tell
    from vicinal.tasks import understand

    voice = Voice(json)
    found = check_data(
        understand(data, task, target), max_pixels, voice.ticker("check")
    )
    tell(found, voice.say)
    if quarantine is not None:
        from vicinal.images.check import write_quarantine

        write_quarantine(found, Path(quarantine))
    return {"data": data, **found.to_dict()}


def train(
    data: Positional[str],
    /,
    settings: OmitArgPrefixes[ImageSettings] = ImageSettings(),  # noqa: B008 - frozen
    task: Task = "auto",
    target: str | None = None,
    out: str | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    json: bool = False,
) -> Outcome:
    """Learn from pictures: a tested model, a report and predictions in one folder.

    Args:
        data: a folder per class, a folder with train/val/test, a CSV, or IDX files.
        settings: how to learn.
        task: what the labels are; auto reads it from them.
        target: the CSV column that holds the labels.
        out: the run folder to make (never overwritten: name, then name-2).
        resume: go on in the run folder named with --out.
        seed: seed of every random draw.
        device: cpu, cuda, mps ...; auto takes the best there is.
        json: print one JSON object and nothing else.
    """
    from vicinal.core.run import Run

    voice = Voice(json)
    if resume and out is None:
        raise SettingError(
            "--resume needs --out RUN, the folder of the run to go on in."
        )
    folder = out or f"runs/{Path(data).resolve().stem}"
    asked = {
        "shown": data,
        "data": str(Path(data).resolve()),
        "task": task,
        "target": target,
        "parameters": settings.to_dict() | {"random_state": seed, "device": device},
    }
    with Run.resume(folder) if resume else Run.create(folder) as run:
        return _train_in(run, asked, voice, resume)


def _train_in(run: Any, asked: Outcome, voice: Voice, resume: bool) -> Outcome:
    from vicinal.core.interruption import stop_on_signal
    from vicinal.core.training import Interrupted
    from vicinal.images.training_run import TrainingRun
    from vicinal.tasks import estimator_type, row_for, settings_of, understand

    shown = asked.pop("shown")
    if resume and (run.folder / "settings.json").exists():
        asked = settings_of(run.folder) | {"data": asked["data"]}
    try:
        table = understand(asked["data"], asked["task"], asked["target"])
        row = row_for(table)
        learner = estimator_type(row.estimator)(**asked["parameters"])
        _ = learner.settings  # checked before anything runs
        run.write("settings.json", {**asked, "estimator": row.estimator})
        voice.say(f"{shown}: {row.task} of pictures")
        tick = voice.ticker("open")
        with stop_on_signal() as stop_requested:
            work = TrainingRun(learner, table, run, shown, tick, stop_requested)
            for news in work.steps():
                voice.say(news if isinstance(news, str) else _epoch_line(news))
    except (Interrupted, KeyboardInterrupt):
        raise _Interrupted(
            f"Interrupted. Go on with:\n  vicinal train {_quoted(asked['data'])} "
            f"--out {_quoted(str(run.folder))} --resume"
        ) from None
    except VicinalError:
        _remove_if_bare(run.folder, resume)
        raise
    folder = run.folder
    voice.say(f"\nreport:  {folder / 'report.html'}")
    voice.say(f"use it:  vicinal predict {_quoted(str(folder))} PICTURE...")
    return work.summary()


class _Interrupted(VicinalError):
    """Training was interrupted; the message says how to go on."""


def _epoch_line(epoch: Any) -> str:
    mark = " *" if epoch.best else ""
    val = (
        ""
        if epoch.val_loss != epoch.val_loss
        else (f"   val loss {epoch.val_loss:.4f}   val score {epoch.val_score:.4f}")
    )
    return (
        f"epoch {epoch.epoch:>3}   loss {epoch.train_loss:.4f}{val}"
        f"   {epoch.seconds:.1f} s   {epoch.per_second:,.0f}/s{mark}"
    )


def _remove_if_bare(folder: Path, resume: bool) -> None:
    """Take away a run folder that a user's mistake left with nothing in it."""
    names = {path.name for path in folder.iterdir()}
    if not resume and names <= {".lock", "settings.json"}:
        for name in names:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def evaluate(
    run: Positional[str],
    data: Positional[str],
    /,
    target: str | None = None,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Score a trained model on other pictures with labels.

    Args:
        run: the run folder that `vicinal train` wrote.
        data: pictures with labels, in any form that `train` takes.
        target: the CSV column that holds the labels.
        output: a CSV file for the predictions.
        json: print one JSON object and nothing else.
    """
    from vicinal.images.training_run import write_csv
    from vicinal.tasks import TABLE, load, understand

    voice, begun = Voice(json), time.monotonic()
    model = load(run)
    task = next(r.task for r in TABLE if r.labels == model.objective_.kind)
    found = model.evaluate(understand(data, task, target))  # type: ignore[arg-type]
    voice.say(str(found))
    if output is not None:
        write_csv(Path(output), found.predictions)
        voice.say(f"predictions: {output}")
    seconds = round(time.monotonic() - begun, 2)
    return {**found.to_dict(), "run": run, "data": data, "seconds": seconds}


def predict(
    run: Positional[str],
    inputs: Positional[list[str]],
    /,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Name what is in new pictures.

    Args:
        run: the run folder that `vicinal train` wrote.
        inputs: pictures, folders of pictures, or a CSV with a column of paths.
        output: a CSV file for the answers; else they are printed.
        json: print one JSON object and nothing else.
    """
    from vicinal.images.inputs import list_pictures
    from vicinal.images.prediction import predict_all
    from vicinal.tasks import load

    voice = Voice(json)
    table = list_pictures(inputs)
    target = Path(output) if output else None
    outcome = predict_all(load(run), table, target, voice, keep=json)
    return {"run": run, **outcome}


def report(run: Positional[str], /, json: bool = False) -> Outcome:
    """Write a run's report again and print it as text.

    Args:
        run: the run folder that `vicinal train` wrote.
        json: print one JSON object and nothing else.
    """
    from vicinal.core import run as runs
    from vicinal.core.files import write_text
    from vicinal.core.report import Report

    page = Report.from_dict(runs.read(Path(run), "report.json"))
    path = Path(run) / "report.html"
    write_text(path, page.html())
    voice = Voice(json)
    voice.say(page.text())
    voice.say(f"page: {path}")
    metrics = runs.read(Path(run), "metrics.json")
    return {"run": run, "page": str(path), "score": metrics["score"]}


def info(json: bool = False) -> Outcome:
    """Show versions, the device, the networks, and what the cache holds.

    Args:
        json: print one JSON object and nothing else.
    """
    from vicinal.images.about import about

    told = about()
    Voice(json).say_table(told)
    return told


VERBS: dict[str, Callable[..., Outcome]] = {
    "demo": demo,
    "check": check,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
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
    try:
        outcome = _run_verb(words)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (VicinalError, KeyboardInterrupt) as error:
        if debug:
            raise
        print(f"vicinal: {str(error) or 'interrupted'}", file=sys.stderr)
        stopped = isinstance(error, (KeyboardInterrupt, _Interrupted))
        return INTERRUPTED if stopped else MISTAKE
    if "--json" in words:
        print(to_json(outcome))
    return OK


def _run_verb(words: list[str]) -> Outcome:
    return tyro.extras.subcommand_cli_from_dict(
        VERBS,
        prog="vicinal",
        description=DESCRIPTION,
        args=words,
        config=(FlagCreatePairsOff,),
    )


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


if __name__ == "__main__":
    raise SystemExit(main())
