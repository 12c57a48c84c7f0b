"""Transfer: the body of a trained network is copied, the head is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vicinal.core.training.training_clock import TrainingClock
from vicinal.domains import load
from vicinal.errors import ModelFileError, SettingError
from vicinal.images.classifier import ImageClassifier
from vicinal.images.networks import NETWORKS, build
from vicinal.images.regressor import ImageRegressor
from vicinal.images.training.plan import Planner
from vicinal.images.training.time_budget import EpochTime
from vicinal.images.weights.transfer import copy_body, read_network

QUICK: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 8,
    "augment": "none",
    "deterministic": True,
    "cache": False,
}
TIMED = QUICK | {"epochs": None, "deterministic": False}


def images(channels: int = 1, n: int = 24, side: int = 8) -> np.ndarray:
    shape = (n, side, side) if channels == 1 else (n, side, side, channels)
    return np.random.default_rng(n).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Iterator[Path]:
    """A saved model of two classes."""
    model = ImageClassifier(**QUICK).fit(images(), ["a", "b"] * 12)
    yield model.save(tmp_path_factory.mktemp("source"))


def tensors(model: Any) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in model.network_.state_dict().items()}


@pytest.mark.parametrize("classes", [3, 5])  # as many as before, and fewer
@pytest.mark.parametrize(
    "name",
    [
        "small",
        "lenet5",
        "resnet20",
        pytest.param("mobilenet_v2", marks=pytest.mark.slow),
    ],
)
def test_the_body_is_copied_and_the_head_is_not(name, classes):
    size = max(NETWORKS[name].image_size, 8)
    torch.manual_seed(0)
    trained = build(name, num_classes=5, in_channels=1, image_size=size)
    network = build(name, num_classes=classes, in_channels=1, image_size=size)
    before = {k: t.clone() for k, t in network.state_dict().items()}
    copy_body(network, dict(trained.state_dict()), "elsewhere")
    head = [k for k in before if k.startswith(network.head_name + ".")]
    assert len(head) == 2
    for key, t in network.state_dict().items():
        expected = before[key] if key in head else trained.state_dict()[key]
        assert t.equal(expected), key
    x = torch.randn(2, 1, size, size)
    assert network.eval().embed(x).equal(trained.eval().embed(x))


def test_copied_weights_do_not_share_memory():
    trained, network = build("small", num_classes=2), build("small", num_classes=2)
    copy_body(network, dict(trained.state_dict()), "elsewhere")
    before = {k: t.clone() for k, t in trained.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert all(t.equal(before[k]) for k, t in trained.state_dict().items())


def test_a_frozen_body_does_not_change(source):
    settings: dict[str, Any] = QUICK | {
        "weights": str(source),
        "freeze": "all",
        "epochs": 3,
    }
    model = ImageClassifier(**settings).fit(images(n=30), ["x", "y", "z"] * 10)
    started, _ = read_network(str(source))
    head = f"{model.network_.head_name}."
    body = {k: t for k, t in tensors(model).items() if not k.startswith(head)}
    assert len(body) > 5 and any("running_mean" in k for k in body)
    assert all(t.equal(started[k]) for k, t in body.items())  # statistics as well
    assert tensors(model)[f"{head}weight"].shape[0] == 3


def test_without_freezing_the_body_is_trained(source):
    settings: dict[str, Any] = QUICK | {"weights": str(source), "val_fraction": 0.0}
    model = ImageClassifier(**settings)  # nothing held out, so nothing to go back by
    model.fit(images(n=30), ["x", "y", "z"] * 10)
    started, _ = read_network(str(source))
    changed = [k for k, t in tensors(model).items() if not t.equal(started[k])]
    assert len(changed) > 5


def test_frozen_batch_norms_keep_their_statistics(source):
    """A small batch would estimate others, which the fitted head does not know."""
    given = read_network(str(source))[0]
    settings: dict[str, Any] = QUICK | {"weights": str(source), "val_fraction": 0}
    model = ImageClassifier(**settings, batch_norm="frozen")
    model.fit(images(), ["x", "y"] * 12)
    found = tensors(model)
    head = torch.from_numpy(model.probe_.fit.head.weights.T).float()
    assert not torch.allclose(model.network_.head.weight, head)
    fixed = [name for name in found if "running_" in name or "num_batches" in name]
    assert len(fixed) > 3
    assert all(torch.equal(found[name], given[name]) for name in fixed)
    scales = [n.replace("running_mean", "weight") for n in fixed if "mean" in n]
    assert not any(torch.equal(found[name], given[name]) for name in scales)


@pytest.mark.parametrize(
    ("batch_norm", "size", "frozen"),
    [
        ("auto", 16, False),
        ("auto", 64, True),
        pytest.param("batch", 64, False, marks=pytest.mark.slow),
    ],
)
def test_batch_norms_are_frozen_for_large_images_only(
    tmp_path, batch_norm, size, frozen
):
    settings: dict[str, Any] = QUICK | {"image_size": size, "epochs": 1}
    source = ImageClassifier(**settings).fit(images(), ["a", "b"] * 12)
    settings |= {"weights": str(source.save(tmp_path)), "val_fraction": 0}
    model = ImageClassifier(**settings, batch_norm=batch_norm)
    model.fit(images(), ["x", "y"] * 12)
    given, found = tensors(source), tensors(model)
    means = [name for name in found if "running_mean" in name]
    same = [torch.equal(found[name], given[name]) for name in means]
    assert len(means) > 3 and same == [frozen] * len(means)


@pytest.mark.parametrize("patience", [0, 9])
def test_the_last_epoch_is_kept_without_patience_and_the_best_with_it(source, patience):
    how: dict[str, Any] = QUICK | {"weights": str(source), "epochs": 6, "lr": 0.3}
    model = ImageClassifier(**how, val_fraction=0.3, patience=patience, ema=0.0)
    model.fit(images(n=60), ["x", "y"] * 30)  # by chance: the loss only grows
    losses = [epoch.val_loss for epoch in model.history_]
    best = [epoch.best for epoch in model.history_]
    lowest = [loss == min(losses[: k + 1]) for k, loss in enumerate(losses)]
    assert not all(lowest)
    assert best == (lowest if patience else [True] * 6)


def test_the_preprocessing_is_that_of_the_weights(source):
    messages = read_network(str(source))[1]
    assert messages is not None
    settings: dict[str, Any] = QUICK | {"weights": str(source)}
    model = ImageClassifier(**settings, resize="pad")
    model.fit(images(3, side=20), ["x", "y"] * 12)  # colour, larger, another form
    how = model.preprocessing_.to_dict()
    assert {k: list(v) if isinstance(v, tuple) else v for k, v in how.items()} == (
        messages["preprocessing"] | {"resize": "pad"}  # the user's own word counts
    )
    assert model.network_.head.out_features == 2
    model = ImageRegressor(**settings)
    assert len(model.fit(images(), np.arange(24.0)).predict(images())) == 24


def test_a_plain_file_of_tensors_can_be_loaded(source, tmp_path):
    folder, description = read_network(str(source))
    assert description is not None
    save_file(folder, tmp_path / "plain.safetensors")
    plain, nothing = read_network(str(tmp_path / "plain.safetensors"))
    assert nothing is None and plain.keys() == folder.keys()
    assert all(plain[k].equal(t) for k, t in folder.items())
    (tmp_path / "bare").mkdir()
    save_file(folder, tmp_path / "bare" / "model.safetensors")
    assert read_network(str(tmp_path / "bare"))[0].keys() == folder.keys()
    settings: dict[str, Any] = QUICK | {"weights": str(tmp_path / "plain.safetensors")}
    settings["backbone"] = "small"  # whose shapes go with the image's size
    assert ImageClassifier(**settings).fit(images(), ["x", "y"] * 12).history_


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            ("lenet5", 1),
            r"8 of 8 tensors differ \(features\.1\.weight is missing; .*\.\.\.\)",
        ),
        (
            ("small", 3),
            r"1 of \d+ tensors differ \(.*weight is \[\d+, 1, .*expected \[\d+, 3, ",
        ),
    ],
)
def test_weights_of_another_network_are_refused(network, expected, source):
    name, channels = network
    other = build(name, num_classes=2, in_channels=channels, image_size=8)
    before = {k: t.clone() for k, t in other.state_dict().items()}
    with pytest.raises(SettingError, match=expected + r".*Choose the --backbone"):
        copy_body(other, read_network(str(source))[0], str(source))
    assert all(t.equal(before[k]) for k, t in other.state_dict().items())


def test_files_that_are_not_models_are_refused(source, tmp_path):
    for place in (tmp_path, tmp_path / "gone.safetensors"):
        with pytest.raises(ModelFileError, match="There is no file"):
            read_network(str(place))
    (tmp_path / "model.pt").write_bytes(b"\x80\x04")
    with pytest.raises(ModelFileError, match="pickle"):
        read_network(str(tmp_path / "model.pt"))
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / "model.json").write_bytes((source / "model.json").read_bytes())
    save_file({"w": torch.ones(2)}, copied / "model.safetensors")
    with pytest.raises(ModelFileError, match="hashes differ"):
        read_network(str(copied))


def test_the_initial_head_depends_on_the_seed(source):
    def head(seed: int) -> torch.Tensor:
        model = ImageClassifier(**QUICK, weights=str(source), random_state=seed)
        for _ in model.fit_epochs(images(), ["x", "y"] * 12):
            break
        return model.network_.head.weight

    assert head(0).equal(head(0)) and not head(0).equal(head(1))


# --- what is trained, and when --------------------------------------------------------


def test_gradual_unfreezing_trains_first_layers_later(source):
    staged: dict[str, Any] = QUICK | {"epochs": 4, "unfreeze_stages": 2}
    model = ImageClassifier(**staged, weights=str(source))
    at_first, calls = None, []
    for _ in model.fit_epochs(images(), ["x", "y"] * 12):
        assert model.session_ is not None
        state = tensors(model)
        at_first = at_first or model.session_.probe_weights
        first, *_, head = model.network_.blocks()
        calls.append([state[n].equal(at_first[n]) for n in (first[0], head[0])])
    assert calls == [[True, False]] * 2 + [[False, False]] * 2


def test_the_time_budget_decides_how_many_blocks_are_trained(source, monkeypatch):
    def trainable(epoch_seconds: float) -> tuple[list[bool], str]:
        parameters: dict[str, Any] = TIMED | {"minutes": 1}
        parameters |= {"weights": str(source)}
        model = ImageClassifier(**parameters)
        epoch_time = EpochTime(epoch_seconds)
        monkeypatch.setattr(Planner, "epoch_time", lambda *_: epoch_time)
        model.fit_epochs(images(), ["x", "y"] * 12)
        trained = dict(model.network_.named_parameters())
        blocks = [trained[b[0]].requires_grad for b in model.network_.blocks()]
        return blocks, model.fine_tuning_skipped_

    blocks, skipped = trainable(1)
    assert all(blocks) and not skipped
    (*body, head), skipped = trainable(1000)
    assert head and body and not any(body)
    assert skipped == "the time left is too short for it"


def test_the_best_model_so_far_can_be_saved_between_epochs(source, tmp_path):
    x, y = images(n=80), ["x", "y"] * 40
    model = ImageClassifier(**QUICK, weights=str(source), val_fraction=0.4)
    epochs = model.fit_epochs(x, y)
    next(epochs)
    saved = model.save_best(tmp_path / "now")
    assert model.comparison_ is not None and saved == model.comparison_.better
    plain = ImageClassifier(**QUICK, val_fraction=0.4)
    epochs = plain.fit_epochs(x, y)
    next(epochs)
    assert plain.save_best(tmp_path / "scratch")
    kept = load(tmp_path / "scratch").predict_proba(x[:5])
    list(epochs)
    best = next(e for e in reversed(plain.history_) if e.best)
    same = np.allclose(kept, plain.predict_proba(x[:5]))
    assert same == (best.epoch == 1)


def test_without_validation_images_there_is_no_fine_tuning(source):
    """Two images leave none to hold out; val_fraction=0 fine-tunes without a test."""
    x, y = images(n=2), ["x", "y"]
    model = ImageClassifier(**QUICK, weights=str(source)).fit(x, y)
    assert model.history_ == [] and not model.model_.is_fine_tuned
    assert "no image could be held out" in model.comparison_text
    parameters = ImageClassifier(**QUICK, weights=str(source), val_fraction=0).fit(x, y)
    assert parameters.history_ and parameters.model_.is_fine_tuned
    assert "not compared" in parameters.comparison_text
    frozen = ImageClassifier(**QUICK, weights=str(source), freeze="all").fit(x, y)
    assert frozen.comparison_text == ""


def test_training_from_scratch_does_not_measure_runtimes(source, monkeypatch):
    model = ImageClassifier(**QUICK, weights=str(source), val_fraction=0.4)
    model.fit(images(n=60), ["x", "y"] * 30)
    monkeypatch.setattr(Planner, "fastest_runtime", None)
    monkeypatch.setattr(Planner, "epoch_time", None)
    began = []
    start = TrainingClock.start
    monkeypatch.setattr(TrainingClock, "start", lambda self: began.append(start(self)))
    train, val = model.train_and_val_images(images(n=60), ["x", "y"] * 30)
    score = model.fit_from_scratch(train, val, 0.2)
    assert began == [None] and score.n == len(val)


@pytest.mark.slow
def test_a_training_without_minutes_can_be_resumed_with_some(source, tmp_path):
    parameters: dict[str, Any] = TIMED | {"weights": str(source), "val_fraction": 0}
    parameters |= {"compare_scratch": False, "checkpoint_seconds": 0}
    x, y, file = images(n=40), ["x", "y"] * 20, tmp_path / "last.safetensors"
    for _ in ImageClassifier(**parameters).fit_epochs(x, y, checkpoint=file):
        break
    parameters["minutes"] = 0.05
    again = ImageClassifier(**parameters)
    epochs = [epoch.epoch for epoch in again.fit_epochs(x, y, checkpoint=file)]
    assert epochs[0] == 2 and again.model_.is_fine_tuned


def test_resuming_a_run_that_used_its_minutes_gives_the_same_model(source, tmp_path):
    """The minutes are used up, but the fine-tuning before counts."""
    parameters: dict[str, Any] = TIMED | {"minutes": 0.03}
    parameters |= {"weights": str(source), "val_fraction": 0, "compare_scratch": False}
    x, y, file = images(n=40), ["x", "y"] * 20, tmp_path / "last.safetensors"
    first, again = (ImageClassifier(**parameters) for _ in range(2))
    list(first.fit_epochs(x, y, checkpoint=file))
    list(again.fit_epochs(x, y, checkpoint=file))
    assert (
        first.history_ and again.model_.is_fine_tuned and not again.fine_tuning_skipped_
    )
    assert [e.epoch for e in again.history_] == [e.epoch for e in first.history_]
    ours, theirs = tensors(again), tensors(first)
    assert all(ours[name].equal(t) for name, t in theirs.items())
