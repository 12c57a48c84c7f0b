"""`vicinal train`: run directories, settings.json, and resuming with them."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("without_plots")


@pytest.fixture
def town(tmp_path, monkeypatch) -> Path:
    """Return a small graph in the current directory."""
    monkeypatch.chdir(tmp_path)
    Path("town").mkdir()
    rows = "".join(f"n{k},{k % 5},{'ab'[k // 10 % 2]}\n" for k in range(40))
    Path("town/nodes.csv").write_text(f"id,a,label\n{rows}")
    edges = "".join(f"n{k},n{(k + 1) % 40}\n" for k in range(40))
    Path("town/edges.csv").write_text(f"source,target\n{edges}")
    return Path("town")


LINEAR = ("--network", "none")


def test_settings_json_has_what_was_typed(run_command, town):
    flags = ("--seed", "3", "--edges", town / "edges.csv", "--out", "r")
    output = run_command("train", town / "nodes.csv", *LINEAR, *flags)
    assert output.code == 0, output.err
    settings = json.loads(Path("r/settings.json").read_text())
    keys = "domain task data options parameters estimator"
    assert set(settings) == set(keys.split())
    assert settings["domain"] == "nodes" and settings["task"] == "classification"
    assert settings["data"] == str((town / "nodes.csv").resolve())
    assert settings["options"]["edges"] == str((town / "edges.csv").resolve())
    assert settings["parameters"]["random_state"] == 3
    assert settings["parameters"]["network"] == "none"
    assert settings["estimator"] == "NodeClassifier"


def test_a_run_is_named_after_its_data_and_never_overwritten(run_command, town):
    words = ("train", town, *LINEAR, "--json")
    runs = [run_command(*words).json()["run"] for _ in range(2)]
    assert runs == ["runs/town", "runs/town-2"]


def test_the_end_says_what_to_run_next(run_command, town):
    output = run_command("train", town, *LINEAR, "--out", "my run")
    assert output.code == 0 and "run: my run\n" in output.out
    assert "report:   my run/report.html\n" in output.out
    assert "predict:  vicinal predict 'my run' NODE...\n" in output.out
    assert "explain:  vicinal explain 'my run' NODE\n" in output.out


def test_json_is_metrics_json_and_progress_goes_to_stderr(run_command, town):
    output = run_command("train", town, *LINEAR, "--out", "r", "--json")
    found = output.json()
    assert found == json.loads(Path("r/metrics.json").read_text())
    assert (found["domain"], found["data"]) == ("nodes", str(town))
    assert found["statistics"]["num_nodes"] == 40
    assert "linear baseline after" in output.err


def test_a_run_is_resumed_with_the_settings_it_began_with(run_command, refused, town):
    words = ("train", town, "--out", "r")
    assert run_command(*words, *LINEAR, "--hidden", "8").code == 0
    message = refused(*words, "--resume", "--hidden", "16", "--seed", "1")
    assert "hidden (was 8, now 16), random_state (was 0, now 1)" in message
    assert "Leave them out" in message
    output = run_command(*words, "--resume", "--hidden", "8", "--minutes", "7")
    assert output.code == 0 and "this run is finished" in output.out
    parameters = json.loads(Path("r/settings.json").read_text())["parameters"]
    assert (parameters["hidden"], parameters["minutes"]) == (8, 7)
    assert not Path("r-2").exists()


def test_a_flag_typed_with_its_default_counts_as_typed(run_command, refused, town):
    words = ("train", town, "--out", "r")
    assert run_command(*words, *LINEAR, "--seed", "3").code == 0
    message = refused(*words, "--resume", "--seed=0")
    assert "random_state (was 3, now 0)" in message


def test_a_run_is_resumed_with_its_own_data(run_command, refused, town, tmp_path):
    assert run_command("train", town, *LINEAR, "--out", "r").code == 0
    town.rename("village")
    message = refused("train", "village", "--out", "r", "--resume")
    assert f"began with {tmp_path / 'town'}, not {tmp_path / 'village'}" in message


def test_resuming_needs_no_domain_flag(run_command, refused, town):
    flags = ("--domain", "links", "--decoder", "none", "--out", "r")
    assert run_command("train", town, *flags).code == 0
    output = run_command("train", town, "--out", "r", "--resume")
    assert output.code == 0 and "town: links (LinkPredictor)" in output.out
    words = ("train", town, "--out", "r", "--resume", "--domain", "nodes")
    assert "The run in r is of the domain links, not nodes" in refused(*words)


def test_only_a_run_is_resumed(refused, town):
    message = refused("train", town, "--out", "gone", "--resume")
    assert "There is no run to resume" in message
    Path("films").mkdir()
    Path("films/a.txt").write_text("mine")
    message = refused("train", town, "--out", "films", "--resume")
    assert "is not a run directory" in message
    assert [path.name for path in Path("films").iterdir()] == ["a.txt"]
    assert "--resume needs --out RUN" in refused("train", town, "--resume")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--epochs", "0"), "epochs must be a whole number, 1 or more. Got 0"),
        (("--lr", "nan"), "lr must be above 0"),
        (("--device", "gpu9"), "device must be 'auto' or 'cpu'"),
        (("--target", "colour"), "no column 'colour'"),
    ],
)
def test_a_user_error_leaves_no_run(flags, expected, refused, town):
    assert expected in refused("train", town, *flags)
    assert [path.name for path in Path().iterdir()] in (["town"], ["runs", "town"])
    assert not list(Path().glob("runs/*"))


def test_a_flag_of_another_domain_is_refused_beside_the_detected_domain(
    run_command, town
):
    output = run_command("train", town, "--image-size", "32")
    assert output.code == 2 and "Unrecognized options: --image-size" in output.err
    assert output.out.startswith("domain: nodes (")


def test_run_directories_that_cannot_be_created(refused, town):
    Path("file").write_text("kept")
    for out in ("file/run", "/proc/run"):
        message = refused("train", town, *LINEAR, "--out", out)
        assert "cannot be used" in message
        assert "Choose a directory that you may write" in message
    assert Path("file").read_text() == "kept"
