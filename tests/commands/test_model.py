"""The commands that use a trained model: where it is, in which order, which flags."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from vicinal.cli.app import main


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Return a directory with a graph of numbers and a run of its linear baseline."""
    home = tmp_path_factory.mktemp("model")
    (home / "town").mkdir()
    rows = "".join(f"n{k},{k % 5},{k / 4}\n" for k in range(40))
    (home / "town" / "nodes.csv").write_text(f"id,a,label\n{rows}")
    edges = "".join(f"n{k},n{(k + 1) % 40}\n" for k in range(40))
    (home / "town" / "edges.csv").write_text(f"source,target\n{edges}")
    words = ["train", home / "town", "--network", "none", "--out", home / "run"]
    assert main([str(word) for word in words]) == 0
    return home


def test_flags_may_come_before_the_run(run_command, home):
    run = home / "run"
    found = run_command("predict", "--json", run, "n1").json()
    assert found["run"] == str(run) and found["n"] == 1
    output = home / "predictions.csv"
    found = run_command("predict", "--output", output, "--json", run).json()
    assert found["output"] == str(output) and found["n"] == 40
    found = run_command("evaluate", "--json", run).json()
    assert found["domain"] == "nodes" and found["data"] is None


def test_help_of_a_run_shows_the_flags_of_its_domain(run_command, home):
    output = run_command("predict", home / "run", "--help")
    assert output.code == 0 and "--new-nodes" in output.out
    usage = output.out.splitlines()[0]
    assert usage.startswith("usage: vicinal predict") and "RUN" in usage
    assert "NODE..." in usage and "--embeddings" in output.out


def test_the_run_comes_before_its_arguments(refused, home):
    message = refused("predict", home / "town", home / "run")
    order = shlex.join(["vicinal", "predict", str(home / "run"), str(home / "town")])
    assert f"The run comes first: {order}" in message


def test_a_run_is_not_data_to_evaluate_on(refused, home):
    message = refused("evaluate", home / "run", home / "run")
    assert "is a run directory that `vicinal train` wrote, not data" in message


@pytest.mark.parametrize("command", ["evaluate", "predict", "explain", "inspect"])
def test_a_directory_without_a_model_is_refused(command, refused, home):
    for path in (home / "town", home / "gone", home / "town" / "nodes.csv"):
        message = refused(command, path, "n1")
        assert f"There is no trained model in {path}" in message
        assert "`vicinal train`" in message


def test_a_misspelt_name_of_weights_is_refused(refused):
    message = refused("explain", "resnet-18", "image.png")
    assert "There is no trained model in resnet-18: there is no such dir" in message
    assert "`vicinal info` lists them" in message


def test_an_interrupted_run_says_how_to_resume(refused, run_command, home, tmp_path):
    run = shutil.copytree(home / "run", tmp_path / "half way")
    for name in ("model.json", "report.txt", "report.json"):
        (run / name).unlink()
    resume = ["vicinal", "train", str(home / "town"), "--out", str(run), "--resume"]
    for command in ("predict", "evaluate", "report"):
        assert shlex.join(resume) in refused(command, run)
    (run / "model.json").write_bytes((home / "run" / "model.json").read_bytes())
    output = run_command("predict", run, "n1")  # the best model so far
    assert output.code == 0 and "this run is not finished" in output.err
    assert shlex.join(resume) in output.err


def test_evaluate_writes_the_predictions_behind_the_score(run_command, home, tmp_path):
    path = tmp_path / "predictions.csv"
    found = run_command("evaluate", home / "run", "--output", path, "--json").json()
    lines = path.read_text().splitlines()
    assert lines[0] == "id,label,predicted"
    assert len(lines) == found["score"]["n"] + 1
    output = run_command("evaluate", home / "run")
    assert output.out.startswith("mae") and "baseline: median" in output.out


def test_a_damaged_model_is_one_message(refused, home, tmp_path):
    run = shutil.copytree(home / "run", tmp_path / "run")
    (run / "model.safetensors").write_bytes(b"x" * 20)
    assert "model.safetensors" in refused("predict", run)
    described = json.loads((run / "model.json").read_text())
    (run / "model.json").write_text(json.dumps({**described, "estimator": "Oracle"}))
    (run / "settings.json").unlink()
    assert "There is no estimator 'Oracle'" in refused("predict", run)


def test_the_report_is_written_again(run_command, home):
    page = home / "run" / "report.html"
    before = page.read_bytes()
    page.unlink()
    output = run_command("report", home / "run")
    assert output.code == 0 and page.read_bytes() == before
    assert (home / "run" / "report.txt").read_text() in output.out
    found = run_command("report", "--json", home / "run").json()
    assert found["page"] == str(page) and found["score"]["metric"] == "mae"
