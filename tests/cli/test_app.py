"""The command line: every verb, and every mistake with one message and no traceback."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image

import vicinal
from vicinal.cli import app as cli
from vicinal.cli.app import INTERRUPTED, MISTAKE, OK, VERBS, main
from vicinal.core.storage.run_folder import CHECKPOINT, Run
from vicinal.errors import CacheWarning

QUICK = ("--epochs", "2", "--exact", "--no-cache", "--augment", "none")
FILES = {
    "settings.json", "env.json", "classes.json", "metrics.csv", "metrics.json",
    "model.json", "model.safetensors", "predictions.csv", "report.html",
    "report.json", "report.txt", "baseline.safetensors", "data/index.csv",
    "data/splits.csv", "data/quarantine.csv", CHECKPOINT,
}  # fmt: skip


class Told(NamedTuple):
    """What a command gave back."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Its one object on stdout, of JSON that every reader takes."""
        assert self.out.count("\n") == 1
        return json.loads(self.out, parse_constant=pytest.fail)


Say = Callable[..., Told]


@pytest.fixture
def say(capsys) -> Say:
    """Run the command line in this process: say("check", folder, "--json")."""

    def run(*words: object) -> Told:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Told(code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(say) -> Callable[..., str]:
    """The message on stderr with which a command is refused, and nothing else."""

    def run(*words: object) -> str:
        told = say(*words, "--json")
        assert (told.code, told.out) == (MISTAKE, "")
        lines = told.err.split("vicinal: ")
        assert len(lines) == 2 and "Traceback" not in told.err
        return lines[1].strip()

    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with pictures of two classes (dark, light), and a model of them."""
    home = tmp_path_factory.mktemp("home")
    for shade, name in enumerate(("dark", "light")):
        (home / "pictures" / name).mkdir(parents=True)
        for k in range(10):
            grey = Image.new("L", (8, 8), 60 + 120 * shade + k)
            grey.putpixel((k % 8, k // 8), 255 - 255 * shade)
            grey.save(home / "pictures" / name / f"{k}.png")
    words = ["train", str(home / "pictures"), "--out", str(home / "run"), *QUICK]
    assert main(words) == OK
    return home


@pytest.fixture
def run(home) -> Path:
    return home / "run"


@pytest.fixture
def pictures(home) -> Path:
    return home / "pictures"


def check_score(score: dict[str, Any], n: int) -> None:
    assert list(score) == ["metric", "value", "low", "high", "n"]
    assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
    assert score["metric"] == "accuracy" and score["n"] == n


def csr_by_target(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- every verb ------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, say):
    told = say(verb, "--help")
    assert told.code == OK and "--json" in told.out and told.err == ""
    first_line = (VERBS[verb].__doc__ or "").split("\n")[0]
    assert first_line in " ".join(told.out.split())


def test_help_names_every_verb_and_what_to_type_first(say):
    told = say("--help")
    assert told.code == OK and "vicinal demo images" in told.out
    assert all(verb in told.out for verb in VERBS)


def test_check(pictures, say):
    told = say("check", pictures)
    assert told.code == OK and told.err == ""
    assert "20 pictures listed, 20 can be used, 0 cannot" in told.out
    assert re.search(r"10  dark\n +10  light\n", told.out)


def test_check_says_what_it_understood(pictures, tmp_path, say):
    assert "task: classification, one class a picture\n" in say("check", pictures).out
    rows = (
        f"{pictures}/dark/{k}.png,{k}.5,{'test' if k < 3 else ''}\n" for k in range(8)
    )
    path = table(tmp_path, "path,label,split\n" + "".join(rows))
    told = say("check", path).out
    assert "task: regression, a number a picture, 0.5 to 7.5; 3 for test, 5 for" in told


def test_a_folder_in_which_runs_lie(make_folder, monkeypatch, say):
    shape: dict[str, Any] = {"height": 8, "width": 8, "channels": 1}
    root = make_folder({"train/a": 5, "train/b": 5, "test/a": 2, "test/b": 2}, **shape)
    monkeypatch.chdir(root)
    for name in (root.name, f"{root.name}-2"):  # and again, with a run beside the data
        told = say("train", ".", *QUICK)
        assert told.code == OK and (root / "runs" / name / "model.json").exists()
    assert "note: folders of earlier runs left out: 'runs'" in told.out


def test_what_is_no_run_is_not_resumed(pictures, tmp_path, refused):
    place = tmp_path / "films"
    (place / "checkpoints").mkdir(parents=True)
    (place / "checkpoints" / ".a.b.part").write_text("mine")
    told = refused("train", pictures, "--out", place, "--resume", *QUICK)
    assert "is no run that could be resumed" in told
    assert (place / "checkpoints" / ".a.b.part").read_text() == "mine"
    assert [p.name for p in place.iterdir()] == ["checkpoints"]


def test_a_flag_typed_with_its_default_is_a_flag(pictures, tmp_path, refused, say):
    out = tmp_path / "run"
    words = ("train", pictures, "--out", out)
    assert say(*words, *QUICK, "--seed", "3").code == OK
    told = refused(*words, "--resume", "--seed=0")
    assert "random_state (3 then, 0 now)" in told


def test_evaluate_takes_the_column_that_was_learned(pictures, tmp_path, say):
    rows = (f"{pictures}/dark/{k}.png,{k},{10 * k}.5\n" for k in range(10))
    path = table(tmp_path, "path,label,weight\n" + "".join(rows))
    out = tmp_path / "run"
    assert say("train", path, "--target", "weight", "--out", out, *QUICK).code == OK
    plain = say("evaluate", out, path, "--json").json()
    named = say("evaluate", out, path, "--target", "weight", "--json").json()
    assert plain["score"] == named["score"]
    assert plain["baselines"]["median"]["value"] > 10


def test_what_evaluate_writes_can_be_checked(run, pictures, tmp_path, say):
    output = tmp_path / "answers.csv"
    told = say("evaluate", run, pictures, "--output", output)
    assert "learned from 16 of these 20, so this says little" in told.out
    assert say("check", output, "--json").json()["usable"] == 20


def test_weights_that_had_learned_from_the_test(pictures, tmp_path, say):
    first, second = tmp_path / "first", tmp_path / "second"
    assert say("train", pictures, "--out", first, *QUICK).code == OK
    words = ("--weights", first, "--seed", "1", "--out", second)
    told = say("train", pictures, *words, *QUICK)
    assert (
        told.code == OK
        and "had learned from" in told.out + (second / "report.txt").read_text()
    )


def test_a_mistake_in_a_table_of_amounts(pictures, tmp_path, say):
    rows = [f"{pictures}/dark/{k % 10}.png,{k}.25" for k in range(10)]
    rows += [f"{pictures}/light/{k}.png,{k}.5" for k in range(10)]
    rows += [f"gone{k}.png,{k}.75" for k in range(15)] + ["x.png,unknown"]
    got = say(
        "check", table(tmp_path, "path,label\n" + "\n".join(rows)), "--json"
    ).json()
    assert got["labels"] == "numeric" and got["usable"] == 20
    assert "row 37: the label 'unknown' is not a number" in str(got["quarantine"])


def test_a_network_that_wants_larger_pictures(pictures, tmp_path, refused):
    words = ("--backbone", "vgg11", "--image-size", "16", "--out", tmp_path / "out")
    told = refused("train", pictures, *words)
    assert "image_size must be 32 pixels or more for vgg11. Got 16" in told


def test_check_json(pictures, say):
    got = say("check", pictures, "--json").json()
    assert (got["pictures"], got["usable"], got["quarantined"]) == (20, 20, 0)
    assert got["labels"] == "single_label" and got["formats"] == {"PNG": 20}
    assert got["sizes"] == {"width": [8, 8, 8], "height": [8, 8, 8]}
    assert [c["pictures"] for c in got["classes"]] == [10, 10]


def test_train(pictures, tmp_path, say):
    told = say("train", pictures, "--out", tmp_path / "a" / "run", *QUICK)
    assert told.code == OK and told.err == ""
    for words in (
        "classification of pictures",
        "20 pictures, 2 classes, about 8 x 8 pixels",
        "12 to learn from, 4 to choose the epoch, 4 held out for the score",
        "small (",
        "2 epochs at most",
        "epoch   2   loss",
        "to beat: most frequent class",
        "to beat: linear model on pixels",
        f"use it:  vicinal predict {tmp_path}/a/run PICTURE...",
    ):
        assert words in told.out
    folder = tmp_path / "a" / "run"
    assert f"run: {folder}\n" in told.out
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files - {".lock"} == FILES


def test_a_second_run_says_where_it_writes(pictures, tmp_path, say):
    out = tmp_path / "run"
    out.mkdir()
    told = say("train", pictures, "--out", out, *QUICK)
    assert f"run: {out}-2\n" in told.out and (tmp_path / "run-2/model.json").exists()


def test_resuming_a_finished_run_says_that_it_is_finished(pictures, tmp_path, say):
    out = tmp_path / "run"
    first = say("train", pictures, "--out", out, *QUICK, "--json").json()
    told = say("train", pictures, "--out", out, *QUICK, "--resume")
    assert told.code == OK and "this run is finished" in told.out
    again = json.loads((out / "metrics.json").read_text())
    assert again["score"] == first["score"]


def test_what_to_type_for_a_run_that_was_interrupted(pictures, tmp_path, refused):
    out = tmp_path / "half way"
    with Run.create(out) as run:
        run.write("settings.json", {"data": str(pictures)})
    wanted = shlex.join(
        ["vicinal", "train", str(pictures), "--out", str(out), "--resume"]
    )
    assert wanted in refused("report", out)
    assert wanted in refused("predict", out, pictures / "dark" / "0.png")


def test_starting_from_a_run(run, pictures, tmp_path, say, refused):
    told = say("train", pictures, "--weights", run, "--freeze", "all",
               "--out", tmp_path / "next", *QUICK)  # fmt: skip
    assert told.code == OK  # the backbone is the run's, it need not be named
    head = 2 * 32 + 2
    assert f"starting from the weights in {run}, {head} of them learning" in told.out
    told = refused("train", pictures, "--weights", run, "--backbone", "resnet20",
                   "--out", tmp_path / "other", *QUICK)  # fmt: skip
    assert "Leave --backbone out" in told and not (tmp_path / "other").exists()


def test_more_blocks_than_a_network_has_are_refused_at_once(
    run, pictures, tmp_path, refused
):
    words = ("--weights", run, "--freeze", "99", "--out", tmp_path / "x")
    assert "at most 2" in refused("train", pictures, *words, *QUICK)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--weights", ""), "weights must be a name, a file or a folder"),
        (("--group-pattern", "("), "group_pattern must be a regular expression"),
        (
            ("--group-pattern", r"zzz(\d+)"),
            r"The pattern for groups, zzz(\d+), names no",
        ),
    ],
)
def test_settings_that_cannot_hold(words, told, pictures, tmp_path, refused):
    assert told in refused("train", pictures, *words, "--out", tmp_path / "x", *QUICK)
    assert not (tmp_path / "x").exists()


def test_a_folder_of_pictures_is_no_model_to_start_from(pictures, tmp_path, refused):
    words = ("--weights", pictures, "--out", tmp_path / "x")
    told = refused("train", pictures, *words, *QUICK)
    assert "is not the folder of a model" in told and "vicinal info" in told


def test_limits_that_no_backbone_keeps_leave_no_run(run, pictures, tmp_path, refused):
    words = ("--backbone", "auto", "--weights", run, "--max-mb", "1e-9")
    told = refused("train", pictures, *words, "--out", tmp_path / "x", *QUICK)
    assert "--max-mb" in told and not (tmp_path / "x").exists()


def test_weights_that_had_learned_from_what_is_judged_out_of_fold(
    run, pictures, tmp_path, say
):
    out = tmp_path / "again"
    words = ("--weights", run, "--freeze", "all", "--no-scratch", "--out", out)
    told = say("train", pictures, *words, *QUICK)
    learned = len(
        [r for r in csr_by_target(run / "data/splits.csv") if r["split"] != "test"]
    )
    note = f"had learned from {learned} of these 20 pictures"
    assert told.out.count(note) == 2  # beside the first answer, and beside the score
    assert "says little of how good it is on others" in told.out
    text = (out / "report.txt").read_text()
    assert note in text
    assert f"though the weights had learned from {learned} of them" in text
    assert f"had learned from {learned} of all 20 pictures, which flatters" in text


def test_a_star_marks_an_epoch_only_where_one_is_chosen(run, pictures, tmp_path, say):
    told = say("train", pictures, "--out", tmp_path / "a", *QUICK)
    assert " *\n" in told.out and "to choose the epoch" in told.out
    told = say("train", pictures, "--weights", run, "--out", tmp_path / "b", *QUICK)
    assert " *\n" not in told.out and "to test fine-tuning on" in told.out
    words = ("--patience", "5", "--weights", run, "--out", tmp_path / "c")
    told = say("train", pictures, *words, *QUICK)
    assert " *\n" in told.out and "to choose the epoch" in told.out


def test_minutes_that_did_not_do_are_told(run, pictures, tmp_path, say):
    words = ("--weights", run, "--minutes", "0.0001", "--out", tmp_path / "x")
    told = say("train", pictures, *words, "--exact", "--no-cache")
    assert told.code == OK and "note: it took" in told.out
    assert "no fine-tuning: the minutes were over" in told.out
    text = (tmp_path / "x" / "report.txt").read_text()
    assert "the minutes were over; the first answer is the model" in text


def test_a_first_answer_and_then_a_better_one(run, pictures, tmp_path, say):
    out = tmp_path / "tuned"
    told = say("train", pictures, "--weights", run, "--out", out, *QUICK)
    assert told.code == OK
    assert re.search(r"first answer after \d+ s: accuracy [\d.]+ %", told.out)
    assert "fine-tuning on the validation part: better on" in told.out
    assert "what the weights brought, on the validation part" in told.out
    text = (out / "report.txt").read_text()
    assert "first answer, out of fold" in text and "delivered, held out" in text
    got = json.loads((out / "metrics.json").read_text())
    assert got["first_answer"]["n"] == got["pictures"]["train"]
    told_of = "measure ours theirs p wins losses groups better"
    assert set(got["fine_tuning"]) == set(told_of.split())
    better = got["fine_tuning"]["better"]
    assert ("not kept, " in text) == ("it was not kept" in text) == (not better)


def test_a_first_answer_alone_is_judged_on_all_pictures(run, pictures, tmp_path, say):
    out = tmp_path / "frozen"
    words = ("--weights", run, "--freeze", "all", "--out", out)
    got = say("train", pictures, *words, *QUICK, "--json").json()
    assert got["pictures"] == {"train": 20, "val": 0, "test": 0}
    assert got["score"]["n"] == 20 and got["score"] == got["first_answer"]
    assert set(got["baselines"]) == {"most frequent class", "linear model on pixels"}
    assert got["epochs"] == 0 and got["fine_tuning"] is None
    rows = csr_by_target(out / "predictions.csv")
    right = sum(row["label"] == row["predicted"] for row in rows) / 20
    assert right == got["score"]["value"]
    assert (
        "each judged by a model that had not seen it"
        in (out / "report.txt").read_text()
    )
    assert say("predict", out, pictures / "dark" / "0.png").code == OK


def test_evaluate_has_the_same_baselines_as_the_run(pictures, tmp_path, say):
    out = tmp_path / "run"
    trained = say("train", pictures, "--out", out, *QUICK, "--json").json()
    held_out = [
        r for r in csr_by_target(out / "data/splits.csv") if r["split"] == "test"
    ]
    rows = (f"{pictures / r['path']},{Path(r['path']).parent}\n" for r in held_out)
    path = table(tmp_path, "path,label\n" + "".join(rows))
    found = say("evaluate", out, path, "--json").json()
    assert found["baselines"] == trained["baselines"]
    assert found["score"] == trained["score"]


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_an_output_that_is_no_csv(verb, run, pictures, tmp_path, refused):
    output = tmp_path / "answers.xlsx"
    told = refused(verb, run, pictures, "--output", output)
    assert "--output must be a .csv file" in told and not output.exists()


def test_the_run_comes_before_the_pictures(run, pictures, refused):
    picture = pictures / "dark" / "0.png"
    told = refused("predict", picture, run)
    assert shlex.join(["vicinal", "predict", str(run), str(picture)]) in told


def test_train_json(pictures, tmp_path, say):
    told = say("train", pictures, "--out", tmp_path / "run", *QUICK, "--json")
    got = told.json()
    check_score(got["score"], 4)
    assert set(got["baselines"]) == {"most frequent class", "linear model on pixels"}
    for baseline in got["baselines"].values():
        check_score(baseline, 4)
    assert got["run"] == str(tmp_path / "run") and got["seconds"] > 0
    assert got["pictures"] == {"train": 12, "val": 4, "test": 4}
    assert got == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "epoch   2" in told.err  # who waits can still watch


def test_a_run_is_named_after_its_data_and_never_overwritten(
    pictures, tmp_path, say, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("birds.2024").symlink_to(pictures, target_is_directory=True)
    Path("photos.csv").write_text(
        "path,label\n"
        + "".join(f"{pictures}/dark/{k}.png,{'ab'[k % 2]}\n" for k in range(6))
    )
    runs = [
        say("train", data, *QUICK, "--epochs", "1", "--json").json()["run"]
        for data in ("photos.csv", "photos.csv", "birds.2024")
    ]
    assert runs == ["runs/photos", "runs/photos-2", "runs/pictures"]


def test_evaluate(run, pictures, say):
    told = say("evaluate", run, pictures)
    assert told.code == OK and told.err == ""
    assert "accuracy" in told.out and "to beat: most frequent class" in told.out


def test_evaluate_json(run, pictures, tmp_path, say):
    output = tmp_path / "out.csv"
    got = say("evaluate", run, pictures, "--output", output, "--json").json()
    check_score(got["score"], 20)
    check_score(got["baselines"]["most frequent class"], 20)
    assert got["run"] == str(run) and got["data"] == str(pictures)
    assert got["seconds"] > 0
    assert ["16 of these 20" in note for note in got["notes"]] == [True]
    assert sum(map(sum, got["confusion"])) == 20
    rows = csr_by_target(output)
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert right / len(rows) == got["score"]["value"]


def test_predict(run, pictures, say):
    told = say("predict", run, pictures / "dark" / "0.png", pictures / "light")
    lines = [line.split("\t") for line in told.out.splitlines()]
    assert told.code == OK and len(lines) == 11 and told.err == ""
    assert {len(line) for line in lines} == {3}
    assert {said for _, said, _ in lines} <= {"dark", "light"}
    assert all(0.5 <= float(sure) <= 1 for _, _, sure in lines)


def test_predict_json_and_csv_say_the_same(run, pictures, tmp_path, say):
    output = tmp_path / "out.csv"
    got = say("predict", run, pictures, "--output", output, "--json").json()
    assert (got["n"], got["unreadable"], got["run"]) == (20, 0, str(run))
    assert got["output"] == str(output) and got["seconds"] >= 0
    rows = csr_by_target(output)
    columns = "path predicted probability unknown p_dark p_light reason"
    assert list(rows[0]) == columns.split()
    for row, told in zip(rows, got["predictions"], strict=True):
        assert row.pop("reason") == ""
        assert row == {name: str(value) for name, value in told.items()}
        assert float(row["p_dark"]) + float(row["p_light"]) == pytest.approx(
            1, abs=2e-5
        )


def test_report(run, say):
    before = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    told = say("report", run)
    assert told.code == OK and (run / "report.html").read_bytes() == before
    assert (run / "report.txt").read_text() in told.out
    got = say("report", run, "--json").json()
    assert got["page"] == str(run / "report.html")
    check_score(got["score"], 4)


def test_labels_put_right_by_a_table(pictures, tmp_path, say, refused):
    table = tmp_path / "labels.csv"
    table.write_text("path,label\ndark/0.png,light\nlight/3.png,-\n")
    told = say("check", pictures, "--labels", table, "--json").json()
    counts = {row["class"]: row["pictures"] for row in told["classes"]}
    assert counts == {"dark": 9, "light": 10}
    table.write_text("path,label\ndark/99.png,light\n")
    wrong = refused("check", pictures, "--labels", table)
    assert wrong.startswith(f"{table} names 1 file that the data do not have")
    table.write_text("path,label\ndark/0.png,ligth\n")
    assert "Did you mean 'light'" in refused("train", pictures, "--labels", table)


def test_info(say):
    told = say("info")
    assert told.code == OK and "resnet18" in told.out and torch.__version__ in told.out
    got = say("info", "--json").json()
    assert "weights:" in told.out
    assert {"resnet18", "mobilenet_v2"} <= got["weights"].keys()
    assert got["vicinal"] == vicinal.__version__ and got["device"]
    assert {"small", "mobilenet_v2"} <= set(got["networks"])


def test_demo(say, monkeypatch):
    from vicinal.images import demo

    for name in ("EPOCHS", "SHORT", "LONG"):
        monkeypatch.setattr(demo, name, 1)
    told = say("demo", "--seeds", "1", "--json")
    got = told.json()
    check_score(got["score"], got["score"]["n"])
    check_score(got["baselines"]["dense network"], got["score"]["n"])
    assert got["seconds"] > 0
    assert "vicinal train FOLDER" in told.err.splitlines()[-2]  # what to type next


def test_the_module_is_the_command():
    words = [sys.executable, "-m", "vicinal", "trian"]
    told = subprocess.run(words, capture_output=True, text=True, env=environment())
    assert told.returncode == MISTAKE and told.stdout == ""
    assert told.stderr.startswith("vicinal: There is no verb 'trian'. Did you mean")


# --- words that are not understood -----------------------------------------------


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("", "Expected one of .*train"),
        ("trian x", "Did you mean 'train'"),
        ("train", "Missing from vicinal train"),
        ("train DATA --epoch 3", "Perhaps you meant.*--epochs"),
        ("train DATA --epochs many", "--epochs.*'many'"),
        ("train DATA --task guess", "'classification'"),
        ("info more", "Unrecognized options: more"),
        ("demo graphics", "'graphics'.*'images'"),
        ("train DATA --epochs 0", "^vicinal: epochs must be .*1 or more. Got 0 instea"),
        ("train DATA --batch-size 1", "^vicinal: batch_size must be.* Got 1 instead"),
        ("train DATA --lr nan", "^vicinal: lr must be above 0.* Got nan instead"),
        ("train DATA --minutes 0", "^vicinal: minutes must be above 0"),
        ("train DATA --image-size 3", "^vicinal: image_size must be from 8 to 2048"),
        ("train DATA --val-fraction 1", "^vicinal: val_fraction must be from 0 to"),
        ("train DATA --test-fraction .9", "^vicinal: test_fraction must be below 0.95"),
        ("train DATA --freeze all", "^vicinal: freeze must be none unless --weights"),
        ("train DATA --seed -1", "^vicinal: random_state must be .*Got -1 instead"),
        ("train DATA --device gpu9", "^vicinal: device 'gpu9' cannot be used.*Leave"),
        ("train DATA --backbone smal", "Did you mean 'small'.*Known: .*resnet18"),
        ("train DATA --weights gone", "no weights named 'gone'.*Known: .*resnet18"),
        ("train DATA --resume", "^vicinal: --resume needs --out RUN"),
        ("check DATA --max-pixels 0", "^vicinal: max_pixels must be above 0"),
        ("demo --seeds 0", "^vicinal: seeds must be 1 or more. Got 0 instead"),
        ("predict RUN", "^vicinal: Name at least one picture"),
    ],
)
def test_words_that_are_not_understood(
    words, wanted, pictures, run, say, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    places = {"DATA": pictures, "RUN": run}
    told = say(*(places.get(word, word) for word in words.split()))
    text = " ".join(told.err.replace("│", " ").split())
    assert told.code == MISTAKE and re.search(wanted, text)
    assert "Traceback" not in told.err and "dummy" not in told.err
    left = [path for path in tmp_path.rglob("*") if path.name != "runs"]
    assert left == []  # no half-made run folder stays behind


def test_debug_shows_where_an_error_came_from(tmp_path, say):
    words = ("check", tmp_path / "gone")
    assert "Traceback" not in say(*words).err
    with pytest.raises(vicinal.errors.NoDataError, match="There is nothing at"):
        say(*words, "--debug")


def test_an_error_of_the_system_is_one_message(say, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "secret.png")

    monkeypatch.setattr("vicinal.images.data.inputs.list_pictures", fail)
    told = say("predict", "run", "secret.png")
    assert told == (MISTAKE, "", "vicinal: secret.png: Permission denied.\n")


def test_a_bug_keeps_its_traceback(say, monkeypatch):
    monkeypatch.setattr("vicinal.cli.info.about", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        say("info")


# --- data that cannot be used ----------------------------------------------------


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        ({}, r"holds no pictures \(nothing\)\. Wanted: a folder per class"),
        ({"cat": {}, "dog": {}}, "folders without a picture: 'cat', 'dog'"),
        ({"a": {"x.txt": b"", "y.pdf": b""}}, "no pictures by their ending: 1 .txt, 1"),
        ({".ipynb_checkpoints": {"a.png": b"x"}}, "hidden folders left out: '.ipynb_"),
        (
            {"a": {"a.png": b""}, "b": {"b.png": b""}},
            "None of the 2 .* is empty .0 bytes.",
        ),
    ],
)
def test_folders_with_nothing_in_them(make, wanted, tmp_path, refused, run):
    root = tmp_path / "data"
    root.mkdir()
    for folder, files in make.items():
        (root / folder).mkdir()
        for name, data in files.items():
            (root / folder / name).write_bytes(data)
    out = tmp_path / "out"
    assert re.search(wanted, refused("train", root, "--out", out))
    assert not out.exists()
    if "None of" not in wanted:
        assert re.search(wanted, refused("check", root))
        assert re.search(wanted, refused("evaluate", run, root))
    else:
        assert re.search(wanted, refused("evaluate", run, root))


def test_one_class(make_folder, tmp_path, refused, say):
    root = make_folder({"cat": 4}, height=8, width=8, channels=1)
    told = refused("train", root, "--out", tmp_path / "out", *QUICK)
    assert "All pictures are of one class (cat). A classifier needs two" in told
    assert "note: all pictures are of one class, 'cat'" in say("check", root).out


@pytest.mark.parametrize("verb", ["train", "check", "evaluate"])
def test_a_file_where_a_folder_should_be(verb, run, pictures, refused):
    words = (verb, run) if verb == "evaluate" else (verb,)
    for path in (pictures / "dark" / "0.png", run / "model.json"):
        told = refused(*words, path)
        assert f"{path} is a file, where a folder of pictures or a CSV" in told
    gone = refused(*words, pictures / "gone")
    assert "There is nothing at" in gone and "spelling" in gone


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
def test_a_folder_that_is_no_run(verb, pictures, tmp_path, refused):
    for place in (pictures, tmp_path / "gone", pictures / "dark" / "0.png"):
        told = refused(verb, place, pictures)
        assert f"There is no model in {place}" in told and "vicinal train" in told
    assert "no finished run" in refused("report", pictures).replace("not a", "no")


def test_a_name_too_long_for_any_file(run, pictures, refused):
    name = "x" * 5000
    for words in (("train", name), ("check", name), ("evaluate", run, name)):
        assert "File name too long" in refused(*words)
    assert "File name too long" in refused("predict", name, pictures)
    assert "File name too long" in refused("predict", run, name)


def spoil(root: Path, folder: str) -> dict[str, str]:
    """Put files that cannot be used into a class; what is to be said of each."""
    place = root / folder
    whole = (place / "0.png").read_bytes()
    (place / "cut.png").write_bytes(whole[: len(whole) // 2])
    (place / "empty.jpg").write_bytes(b"")
    (place / "noise.jpg").write_bytes(bytes(range(256)) * 8)
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 99, 200)]
    frames[0].save(place / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("1", (9500, 9500)).save(place / "bomb.png")
    (place / "folder.png").symlink_to("folder.png")
    return {
        "cut.png": "damaged",
        "empty.jpg": "the file is empty",
        "noise.jpg": "not a picture in a form that is read here",
        "moving.gif": "animated or many pages (3 frames)",
        "bomb.png": "pixels",
        "folder.png": "symbolic links",
    }


def test_bad_files_are_quarantined_and_training_goes_on(
    make_folder, tmp_path, run, say
):
    root = make_folder({"dark": 8, "light": 8}, height=8, width=8, channels=1)
    reasons = spoil(root, "dark")
    out = tmp_path / "out"
    got = say("train", root, "--out", out, *QUICK, "--json").json()
    assert got["quarantined"] == len(reasons)
    assert sum(got["pictures"].values()) == 16
    rows = csr_by_target(out / "data" / "quarantine.csv")
    told = {Path(row["path"]).name: row["reason"] for row in rows}
    assert {row["label"] for row in rows} == {"dark"}
    assert told.keys() == reasons.keys()
    assert {n: told[n] for n, r in reasons.items() if r not in told[n]} == {}
    assert "6 of 22 pictures are not used" in (out / "report.txt").read_text()

    listed = tmp_path / "aside.csv"
    checked = say("check", root, "--quarantine", listed, "--json").json()
    assert (checked["usable"], checked["quarantined"]) == (16, 6)
    assert csr_by_target(listed) == rows
    assert [list(q.values()) for q in checked["quarantine"]] == [
        list(row.values()) for row in rows
    ]

    found = say("evaluate", run, root, "--json").json()
    assert found["score"]["n"] == 16
    assert "6 pictures set aside, dark/bomb.png" in found["notes"][0]

    answers = tmp_path / "answers.csv"
    said = say("predict", run, root, "--output", answers, "--json")
    assert said.json()["n"] == 16 and said.json()["unreadable"] == 6
    for row in csr_by_target(answers):
        reason = reasons.get(Path(row["path"]).name, "")
        assert reason in row["reason"] and bool(reason) == (row["predicted"] == "")
    assert "cut.png: damaged" in said.err


def test_nothing_can_be_read(run, tmp_path, say, refused):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "out.csv").write_text("kept")
    told = refused(
        "predict", run, tmp_path / "a.png", "gone.png", "--output", tmp_path / "out.csv"
    )
    assert told.startswith("No picture can be read: look at the reasons")
    assert (tmp_path / "out.csv").read_text() == "kept"
    assert "gone.png: there is no such file" in say("predict", run, "gone.png").err
    (tmp_path / "empty").mkdir()
    assert "There is no picture in" in refused("predict", run, tmp_path / "empty")


def test_hidden_folders_and_links_in_a_loop(make_folder, tmp_path, say):
    shape: dict[str, Any] = {"height": 8, "width": 8, "channels": 1}
    root = make_folder({"cat": 3, "dog": 3, ".ipynb_checkpoints": 2}, **shape)
    (root / "cat" / "again").symlink_to("..", target_is_directory=True)
    (root / "dog" / "self").symlink_to(".", target_is_directory=True)
    (root / "0.png").write_bytes((root / "cat" / "0.png").read_bytes())
    got = say("check", root, "--json").json()
    assert [c["class"] for c in got["classes"]] == ["cat", "dog"]
    notes = " ".join(got["notes"])
    for words in (
        "hidden folders left out: '.ipynb_ch",
        "links that lead back",
    ):
        assert words in notes
    assert [q["name"] for q in got["quarantine"]] == ["0.png"]
    out = tmp_path / "out"
    assert say("train", root, "--out", out, *QUICK).code == OK
    text = (out / "report.txt").read_text()
    assert "! Hidden folders left out: '.ipynb_checkpoints'." in text


ODD = ["猫 と 犬", 'it\'s "a" <b>&c', "🦆", "two\nlines", "-x", "$(touch x)", "é"]


def test_names_in_any_script(make_folder, tmp_path, say):
    shape: dict[str, Any] = {"height": 8, "width": 8, "channels": 1}
    root = make_folder(dict.fromkeys(ODD, 4), name="my 猫 data", **shape)
    for folder in ODD:
        (root / folder / "0.png").rename(root / folder / f"{folder} 😀'\".png")
    out = tmp_path / "out 猫"
    got = say("train", root, "--out", out, *QUICK, "--json").json()
    assert [c["class"] for c in got["classes"]] == sorted(ODD)
    assert json.loads((out / "classes.json").read_text()) == sorted(ODD)
    assert len(csr_by_target(out / "data" / "index.csv")) == 4 * len(ODD)

    answers = tmp_path / "answers.csv"
    said = say("predict", out, root, "--output", answers, "--json").json()
    assert said["n"] == 4 * len(ODD)
    paths = [row["path"] for row in csr_by_target(answers)]
    assert all(Path(path).is_file() for path in paths)
    assert sorted(paths) == sorted(row["path"] for row in said["predictions"])
    assert say("evaluate", out, root).code == OK
    assert "🦆" in say("report", out).out


def test_names_that_are_no_text(pictures, tmp_path, say, run):
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.symlink_to(pictures, target_is_directory=True)
    told = say("train", odd, "--out", tmp_path / "out", *QUICK)
    assert told.code == OK and "caf\\udce9: classification" in told.out
    listed = say("predict", run, odd, "--json")
    assert listed.code == MISTAKE and "not written in UTF-8" in listed.err


def test_class_folders_that_differ_in_case(make_folder, say):
    got = say("check", make_folder({"Cat": 2, "cat": 2, "dog": 1}), "--json").json()
    assert [c["class"] for c in got["classes"]] == ["Cat", "cat", "dog"]
    assert "differ only in case or spaces: 'Cat', 'cat'" in got["notes"][0]


def test_classes_that_are_not_in_every_part(make_folder, tmp_path, say):
    counts = {"train/a": 6, "train/b": 6, "train/c": 2, "val/a": 2, "val/b": 2}
    root = make_folder(counts | {"val/d": 3}, height=8, width=8, channels=1)
    out = tmp_path / "out"
    got = say("train", root, "--out", out, *QUICK, "--json").json()
    assert [c["class"] for c in got["classes"]] == ["a", "b", "c"]
    assert got["score"]["n"] == 4 and got["quarantined"] == 3
    assert got["notes"] == ["classes without a picture here: c"]
    rows = csr_by_target(out / "data" / "quarantine.csv")
    assert [row["reason"] for row in rows] == [
        "its class 'd' has no picture in train"
    ] * 3
    text = (out / "report.txt").read_text()
    assert "! Classes in val that train does not have: 'd'." in text
    assert "! Classes in train that val does not have: 'c'." in text


@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (2, 2), (3, 1, 2), (3, 3)])
def test_one_to_three_pictures_in_a_class(counts, make_folder, tmp_path, say):
    classes = dict(zip("abc", counts, strict=False))
    root = make_folder(classes, height=8, width=8, channels=1)
    out = tmp_path / "out"
    got = say("train", root, "--out", out, *QUICK, "--json").json()
    assert sum(got["pictures"].values()) == sum(counts)
    assert got["pictures"]["train"] >= len(counts)  # every class can be learned
    assert set(got) >= {"score", "baselines", "run", "seconds"}
    held_out = got["pictures"]["test"]
    assert (got["score"]["n"] if held_out else got["score"]) == (held_out or None)
    if not held_out:
        assert "no picture could be held out" in (out / "report.txt").read_text()
    assert say("predict", out, root, "--json").json()["n"] == sum(counts)


def table(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8-sig"))  # with the mark that Excel puts first
    return path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "is empty. Wanted: the columns path"),
        ("a,b\n1,2\n", "no column for the paths.*got a, b"),
        (
            "path,b\nx.png,2\n",
            "no column for the labels.*wanted one of label.*got path",
        ),
        ("path,label\n", r"No row of the table has both.*\(0 rows\)"),
        ("path,label\nx.png,\ny.png,NaN\n", "No row .* row 2 has an empty label"),
        ("path,label\nx.png,a\ny.png,b\n", "None of the 2 .* there is no such file"),
        ("path,label\nx.png,a,7\n", "cannot be read as a table.*double quotes"),
    ],
)
def test_tables_that_cannot_be_used(text, wanted, tmp_path, refused):
    assert re.search(wanted, refused("train", table(tmp_path, text), *QUICK))


def test_the_target_must_be_a_column(pictures, tmp_path, refused):
    path = table(tmp_path, "path,size\nx.png,3\n")
    assert "wanted a column 'wieght', got path, size" in refused(
        "train", path, "--target", "wieght"
    )
    assert "--target names a column" in refused("train", pictures, "--target", "x")
    told = refused("train", pictures, "--task", "regression")
    assert "give a CSV with the columns path and label" in told


def test_a_table_with_bad_rows(pictures, tmp_path, say):
    good = "".join(
        f"{pictures}/{name}/{k}.png,{name}\n"
        for name in ("dark", "light")
        for k in range(8)
    )
    bad = f"gone.png,dark\n{pictures}/dark/8.png,\n{pictures}/dark/9.png,NaN\n,light\n"
    path = table(tmp_path, f"Path,LABEL\n{good}{bad}")
    got = say("train", path, "--out", tmp_path / "out", *QUICK, "--json").json()
    assert sum(got["pictures"].values()) == 16 and got["quarantined"] == 4
    reasons = [r["reason"] for r in csr_by_target(tmp_path / "out/data/quarantine.csv")]
    wanted = [
        "row 19 has an empty",
        "row 20 has an empty",
        "row 21 has no path",
        "no su",
    ]
    assert all(w in r for w, r in zip(wanted, reasons, strict=True))
    found = say("evaluate", tmp_path / "out", path, "--json").json()
    assert "4 pictures set aside" in found["notes"][0]


def test_numbers_with_a_decimal_comma(pictures, tmp_path, say, refused):
    cells = [f"{pictures}/dark/{k}.png;{k},{k}" for k in range(10)]
    path = table(tmp_path, "path;weight\n" + "\n".join(cells))
    got = say("check", path, "--target", "weight", "--json").json()
    assert got["labels"] == "numeric"
    assert "0,0 is read as 0.0" in got["notes"][0]
    out = tmp_path / "out"
    assert say("train", path, "--target", "weight", "--out", out, *QUICK).code == OK
    labels = [row["label"] for row in csr_by_target(out / "data" / "index.csv")]
    assert [float(k) for k in labels] == [k + k / 10 for k in range(10)]
    assert "Name it with --target" in refused("train", path)
    path = table(tmp_path, f"path;label\n{pictures}/dark/1.png;1,250\n")
    assert "Write it as 1.250 or 1250" in refused("check", path)
    assert say("check", path, "--task", "classification").code == OK


def test_every_picture_is_for_testing(pictures, tmp_path, refused):
    rows = "".join(f"{pictures}/{c}/1.png,{c},test\n" for c in ("dark", "light"))
    path = table(tmp_path, f"path,label,split\n{rows}")
    told = refused("train", path, "--out", tmp_path / "out", *QUICK)
    aside = tmp_path / "out" / "data" / "quarantine.csv"
    assert "No picture is left for training" in told and str(aside) in told
    assert len(csr_by_target(aside)) == 2


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_numbers_and_several_labels(task, pictures, tmp_path, say):
    said = {"regression": "{k}.5", "multilabel": "a|b{k}"}[task]
    rows = (f"{pictures}/dark/{k}.png,{said.format(k=k % 2)}\n" for k in range(10))
    path = table(tmp_path, "path,label\n" + "".join(rows))
    got = say("train", path, "--out", tmp_path / "out", *QUICK, "--json").json()
    metric = {"regression": "mae", "multilabel": "f1_micro"}[task]
    assert got["score"]["metric"] == metric and got["score"]["n"] == 2
    assert all(b["metric"] == metric for b in got["baselines"].values())
    assert say("evaluate", tmp_path / "out", path, "--json").json()["score"]["n"] == 10
    answer = say("predict", tmp_path / "out", pictures / "dark" / "0.png").out
    assert len(answer.split("\t")) == 2


def test_a_folder_is_not_what_a_regression_is_scored_on(
    pictures, tmp_path, say, refused
):
    rows = (f"{pictures}/dark/{k}.png,{k}.5\n" for k in range(6))
    path = table(tmp_path, "path,label\n" + "".join(rows))
    assert say("train", path, "--out", tmp_path / "out", *QUICK).code == OK
    told = refused("evaluate", tmp_path / "out", pictures)
    assert "give a CSV with the columns path and label" in told


def test_classes_that_the_model_does_not_know(run, pictures, make_folder, refused, say):
    shape: dict[str, Any] = {"height": 8, "width": 8, "channels": 1}
    strange = make_folder({"owl": 2, "dark": 1}, **shape)
    got = say("evaluate", run, strange, "--json").json()
    assert got["score"]["n"] == 1 and got["notes"] == [
        "classes the model does not know: owl (2 pictures left out)",
        "classes without a picture here: light",
    ]
    told = refused("evaluate", run, make_folder({"owl": 1}, name="owls", **shape))
    assert "It knows dark, light; the data have owl." in told


# --- places that cannot be written -----------------------------------------------


def test_a_place_that_cannot_be_written(run, pictures, tmp_path, refused):
    (tmp_path / "file").write_text("kept")
    for out in (tmp_path / "file" / "run", "/proc/run"):
        told = refused("train", pictures, "--out", out, *QUICK)
        assert "cannot be used" in told and "Choose a folder that you may write" in told
    for words in (
        ("predict", run, pictures, "--output"),
        ("evaluate", run, pictures, "--output"),
        ("check", pictures, "--quarantine"),
    ):
        for place in (tmp_path / "gone" / "x.csv", tmp_path):
            assert f"{place} cannot be written" in refused(*words, place)
    assert (tmp_path / "file").read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk(small_disk, pictures, run, say):
    words = ("train", pictures, "--out", small_disk / "run", *QUICK, "--json")
    saving = ("--checkpoint-seconds", "0")
    with (small_disk / "filler").open("wb") as filler:
        filler.write(bytes(600_000))
    told = say(*words, *saving)
    assert (told.code, told.out) == (MISTAKE, "") and "Traceback" not in told.err
    assert told.err.count("vicinal: ") == 1
    assert "The disk is full: free some space" in told.err
    checkpoint = small_disk / "run" / CHECKPOINT
    assert sorted(p.name for p in checkpoint.parent.iterdir()) in (
        [],
        ["last.safetensors"],
    )
    (small_disk / "filler").unlink()
    assert say(*words, *saving, "--resume").code == OK

    (small_disk / "filler").write_bytes(bytes(1))
    with pytest.raises(OSError), (small_disk / "filler").open("wb", 0) as filler:
        while filler.write(bytes(4096)):
            pass
    answers = say("predict", run, pictures, "--output", small_disk / "answers.csv")
    assert answers.code == MISTAKE and "The disk is full" in answers.err
    assert not (small_disk / "answers.csv").exists()


def test_a_second_process_on_a_run(pictures, tmp_path, refused):
    with Run.create(tmp_path / "run"):
        told = refused("train", pictures, "--out", tmp_path / "run", "--resume", *QUICK)
    assert "Another process is at work in" in told and "--out" in told


# --- stopping and going on -------------------------------------------------------


def environment() -> dict[str, str]:
    root = str(Path(vicinal.__file__).parents[1])
    return os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


def test_interrupted_and_resumed(pictures, tmp_path, say):
    out = tmp_path / "my run"
    slow = ("--epochs", "2000", "--exact", "--no-cache")
    words = ["train", str(pictures), "--out", str(out), *slow]
    with subprocess.Popen(
        [sys.executable, "-m", "vicinal", *words],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch   3"):
                break
        process.send_signal(signal.SIGINT)
        rest, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == INTERRUPTED and "report:" not in rest
    assert err.startswith("vicinal: Interrupted. Go on with:\n")
    command = shlex.split(err.splitlines()[1])
    assert command[0] == "vicinal" and "--resume" in command
    told = say(*command[1:], "--minutes", "0.005", "--json")
    got = told.json()
    epochs = [int(n) for n in re.findall(r"^epoch +(\d+)", told.err, re.MULTILINE)]
    assert epochs[0] >= 4 and epochs[-1] == got["epochs"]  # on, and not again
    assert got["run"] == str(out) and (out / "report.html").exists()


def test_a_stop_while_the_pictures_are_looked_at(pictures, tmp_path, say, monkeypatch):
    monkeypatch.setattr(
        "vicinal.core.report.console.Console.progress_bar",
        lambda self, what: lambda k, n: signal.raise_signal(signal.SIGINT),
    )
    out = tmp_path / "run"
    told = say("train", pictures, "--out", out, *QUICK, "--json")
    assert (told.code, told.out) == (INTERRUPTED, "")
    monkeypatch.undo()
    command = shlex.split(told.err.splitlines()[-1])
    got = say(*command[1:], "--json").json()
    asked = json.loads((out / "settings.json").read_text())["parameters"]
    assert asked["epochs"] == got["epochs"] == 2 and asked["exact"]


def test_an_interrupt_of_any_other_verb(say, monkeypatch):
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vicinal.cli.info.about", interrupt)
    assert say("info") == (INTERRUPTED, "", "vicinal: interrupted\n")


def test_a_run_is_resumed_with_what_it_began_with(pictures, tmp_path, refused, say):
    out = tmp_path / "run"
    words = ("train", pictures, "--out", out)
    assert say(*words, *QUICK).code == OK
    told = refused(*words, "--resume", "--epochs", "3", "--seed", "1")
    assert "epochs (2 then, 3 now), random_state (0 then, 1 now)" in told
    assert "Leave them out" in told
    got = say(*words, "--resume", "--minutes", "7", "--json").json()
    assert got["epochs"] == 2 and (tmp_path / "run-2").exists() is False
    asked = json.loads((out / "settings.json").read_text())["parameters"]
    assert (asked["epochs"], asked["minutes"]) == (2, 7)


def test_a_run_is_resumed_with_its_own_pictures(make_folder, tmp_path, refused, say):
    shape: dict[str, Any] = {"height": 8, "width": 8, "channels": 1}
    root, out = make_folder({"a": 5, "b": 5}, **shape), tmp_path / "run"
    assert say("train", root, "--out", out, *QUICK).code == OK
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    make_folder({"a": 6}, **shape)
    told = refused("train", root, "--out", out, "--resume")
    assert "began with other pictures or another split" in told
    assert "--resume" not in told  # what has just failed is no advice
    after = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    changed = [p.name for p, data in after.items() if before.get(p) != data]
    assert changed == [] or changed == ["settings.json"]
    told = refused("train", root, "--out", tmp_path / "gone", "--resume")
    assert "There is no run to resume" in told


def test_a_loss_that_is_not_a_number(pictures, tmp_path, refused, monkeypatch):
    def nothing(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return logits.sum() * float("nan")

    monkeypatch.setattr("vicinal.core.objective.SingleLabel.loss", nothing)
    told = refused("train", pictures, "--out", tmp_path / "run", *QUICK)
    assert "The loss became nan in epoch 1, step 1. Train with a smaller --lr" in told


def test_a_reader_that_leaves_early(pictures, run):
    script = (
        f"{shlex.quote(sys.executable)} -m vicinal predict {shlex.quote(str(run))} "
        + " ".join([shlex.quote(str(pictures))] * 400)
        + " | head -n 1"
    )
    told = subprocess.run(
        script, shell=True, capture_output=True, text=True, env=environment()
    )
    assert told.stderr == "" and told.stdout.count("\n") == 1


def test_a_bar_gives_the_cursor_back(pictures, capsys, monkeypatch):
    from vicinal.core.report.console import Console

    kept: list[Callable[[], None]] = []
    monkeypatch.setattr("atexit.register", kept.append)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    report_progress = Console(json=False).progress_bar("open")
    report_progress(1, 3)
    (stop,) = kept  # what is left to be done when the work is cut short
    capsys.readouterr()
    stop()
    assert "\x1b[?25h" in capsys.readouterr().err
    report_progress(3, 3)


def test_progress_in_a_log_is_a_line_now_and_then(capsys, monkeypatch):
    from vicinal.core.report.console import Console

    clock = iter([0.0, 5.0, 10.0, 10.0, 12.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    report_progress = Console(json=True).progress_bar("open")
    for done in (1, 2, 3):
        report_progress(done, 1000)
    assert capsys.readouterr() == ("", "open: 2 of 1,000\n")


@pytest.mark.parametrize("rule", ["error", "ignore"])
def test_a_cache_that_cannot_be_written_is_a_note_whatever_w_says(rule, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter(rule)
        with cli._warnings_as_notes():
            warnings.warn("The cache cannot be written.", CacheWarning, stacklevel=1)
    assert capsys.readouterr().err == "note: The cache cannot be written.\n"


# --- looking inside --------------------------------------------------------------


@pytest.mark.parametrize("method", ["gradcam", "integrated_gradients", "occlusion"])
def test_an_answer_is_explained(method, run, pictures, tmp_path, say):
    picture, drawing = pictures / "dark" / "0.png", tmp_path / "why.png"
    words = ("--method", method, "--output", drawing, "--json")
    got = say("explain", run, picture, *words).json()
    (only,) = got["explanations"]
    assert only["method"] == method and only["target"] in ("dark", "light")
    assert [len(only["map"]), len(only["map"][0])] == [8, 8]
    assert set(only["faithfulness"]) >= {"deletion", "insertion", "p", "better"}
    assert ("Do not read" in only["verdict"]) != only["faithfulness"]["better"]
    with Image.open(drawing) as drawn:
        assert drawn.width > 300 and got["drawing"] == str(drawing)


def test_all_explanations_side_by_side(run, pictures, say):
    told = say("explain", run, pictures / "light" / "1.png", "--method", "all")
    assert told.code == OK and told.out.count(" s: ") == 3
    assert (run / "explain" / "1-all.png").exists()


def test_one_class_against_another(run, pictures, tmp_path, say, refused):
    words = ("explain", run, pictures / "dark" / "0.png", "--target", "light")
    words += ("--output", tmp_path / "x.svg")
    got = say(*words, "--against", "dark", "--json").json()
    assert got["explanations"][0]["target"] == "light, not dark"
    assert "<svg" in (tmp_path / "x.svg").read_text()
    assert "set against itself" in refused(*words, "--against", "light")
    assert "does not know the class 'grey'" in refused(*words, "--against", "grey")


def test_what_cannot_be_explained(run, pictures, tmp_path, refused):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert "cannot be read" in refused("explain", run, tmp_path / "broken.png")
    assert "One picture is explained at a time. Got 20" in refused(
        "explain", run, pictures
    )
    told = refused("explain", run, pictures / "dark" / "0.png", "--output", "x.gif")
    assert "must end in .png, .svg, .pdf" in told


def test_the_layer_table(run, say):
    told = say("inspect", run)
    assert told.code == OK and "stages.0.conv" in told.out
    assert re.search(r"convolutions: [\d,]+ parameters \(\d+ %\)", told.out)
    assert re.search(r"dense layers: .* each weight is used 1\.0 times", told.out)
    rows = say("inspect", run, "--json").json()["layers"]
    assert rows[0]["name"] == "stages.0.conv" and rows[-1]["shape"] == [2]
    described = json.loads((run / "metrics.json").read_text())["parameters"]
    assert sum(row["parameters"] for row in rows) == described


def test_one_number_and_its_way_back(run, pictures, tmp_path, say):
    picture, drawing = pictures / "dark" / "0.png", tmp_path / "number.png"
    words = ("inspect", run, picture, "--layer", "stages.0.conv", "--at", "3,0,7")
    told = say(*words, "--output", drawing)
    assert told.code == OK and drawing.exists()
    assert (
        "it sees 2 x 2 pixels of the picture, rows 0 to 1, columns 6 to 7" in told.out
    )
    assert "the sum of products, of 9 terms" in told.out and "padding" in told.out
    (number,) = say(*words, "--json").json()["numbers"]
    total = sum(term["product"] for term in number["terms"]) + number["constant"]
    assert total == pytest.approx(number["value"], abs=1e-5)
    assert sum(term["at"] is None for term in number["terms"]) == 5
    words = ("inspect", run, picture, "--layer", "fc", "--at", "1", "--back", "--json")
    way = say(*words).json()["numbers"]
    assert way[0]["layer"] == "fc" and way[-1]["layer"] == "stages.0.conv"


def test_the_maps_of_a_layer(run, pictures, tmp_path, say, refused):
    picture, drawing = pictures / "dark" / "0.png", tmp_path / "maps.pdf"
    words = ("inspect", run, picture, "--layer", "stages.0.relu")
    told = say(*words, "--output", drawing)
    assert "stages.0.relu: 16 maps of 8 x 8" in told.out and drawing.exists()
    assert say(*words, "--json").json()["shape"] == [16, 8, 8]
    told = refused("inspect", run, picture, "--layer", "fc")
    assert "2 numbers in a row, and no maps" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--layer", "stages.0.cnv"), "no layer 'stages.0.cnv'. Did you mean"),
        (
            ("--layer", "stages.0.conv", "--at", "a,b"),
            "--at must be channel,row,column",
        ),
        (("--layer", "stages.0.conv", "--at", "3,0,8"), "Got 3,0,8 instead"),
        (("--at", "3,0,7"), "want a --layer"),
    ],
)
def test_places_that_are_not_there(words, told, run, pictures, refused):
    assert told in refused("inspect", run, pictures / "dark" / "0.png", *words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--show", "filters"), "16 filters of 3 x 3"),
        (("--show", "patches", "--layer", "stages.0.conv"), "channel "),
        (
            ("--show", "synthesis", "--layer", "fc", "--channels", "1"),
            "channel 1: mean of its map from",
        ),
        (("--show", "synthesis", "--target", "light"), "light: logit from"),
    ],
)
def test_sheets(words, told, run, tmp_path, say):
    got = say("inspect", run, *words, "--output", tmp_path / "sheet.png")
    assert got.code == OK and told in got.out
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.width > 100


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--show", "patches"), "--show patches wants a --layer"),
        (("--show", "synthesis"), "--layer and --channels, or a class"),
        (("--show", "filters", "--channels", "x"), "numbers such as 0,5,7"),
        (
            ("--show", "patches", "--layer", "stages.0.conv", "--channels", "16"),
            "channels 0 to 15. Got 16",
        ),
        (("--show", "filters", "--output", "/dev/null/x.png"), "cannot be written"),
    ],
)
def test_sheets_that_cannot_be(words, told, run, refused):
    assert told in refused("inspect", run, *words)


def test_shortcuts_are_looked_for_when_that_is_asked(pictures, tmp_path, say):
    words = ("train", pictures, "--epochs", "2", "--precision", "float32")
    told = say(*words, "--shortcuts", "on", "--out", tmp_path / "on")
    assert told.code == OK
    assert ("Shortcut: " in told.out) != ("No part of the picture" in told.out)
    text = (tmp_path / "on" / "report.txt").read_text()
    assert text.index("What the answers rest on") < text.index("How training went")
    got = json.loads((tmp_path / "on" / "metrics.json").read_text())["shortcuts"]
    assert got["held_out"] and {"shortcuts", "regions"} <= set(got)
    say(*words, "--out", tmp_path / "auto")  # too few pictures to look by itself
    assert "rest on" not in (tmp_path / "auto" / "report.txt").read_text()


def test_a_report_with_more_in_it(run, tmp_path, say):
    more = tmp_path / "more"
    shutil.copytree(run, more)
    told = say("report", more, "--shortcuts", "--beside-dense")
    assert told.code == OK and "What the answers rest on" in told.out
    page = (more / "report.html").read_text()
    assert page.count("<h2>A CNN beside a dense network</h2>") == 1
    got = say("report", more, "--shortcuts", "--json").json()
    assert got["shortcuts"]["score"]["metric"] == "accuracy"
    page = (more / "report.html").read_text()
    assert page.count("<h2>What the answers rest on</h2>") == 1  # in place of its like
    assert page.index("beside a dense") < page.index("rest on</h2>")
    assert page.index("rest on</h2>") < page.index("<h2>What was run</h2>")


def test_a_run_without_a_test_part_is_looked_into_too(pictures, tmp_path, say):
    run = tmp_path / "all"
    quick = ("--epochs", "2", "--precision", "float32", "--test-fraction", "0")
    assert say("train", pictures, *quick, "--out", run).code == OK
    with (run / "data" / "splits.csv").open(encoding="utf-8") as file:
        parts = [row["split"] for row in csv.DictReader(file)]
    assert "test" not in parts
    got = say("report", run, "--shortcuts", "--beside-dense", "--json").json()
    assert got["shortcuts"]["held_out"] is False
    assert got["shortcuts"]["score"]["n"] == parts.count("train")


def test_a_run_whose_pictures_are_gone(run, tmp_path, say, refused):
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    settings = json.loads((moved / "settings.json").read_text())
    settings["data"] = str(tmp_path / "gone")
    (moved / "settings.json").write_text(json.dumps(settings))
    assert "are not where they were" in refused("inspect", moved)
