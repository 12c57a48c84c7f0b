"""Starting from a trained network: the body comes over, the head does not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vicinal.core.training.trainer import Trainer
from vicinal.domains import load
from vicinal.errors import ModelFileError, SettingError
from vicinal.images.classifier import ImageClassifier
from vicinal.images.estimator import ImageEstimator
from vicinal.images.networks import NETWORKS, build
from vicinal.images.regressor import ImageRegressor
from vicinal.images.weights.transfer import (
    blocks_to_freeze,
    body_blocks,
    freeze_first,
    is_head,
    opening_epochs,
    read_source,
    shares,
    start_from,
)

QUICK: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 8,
    "augment": "none",
    "exact": True,
    "cache": False,
}


def pictures(channels: int = 1, n: int = 24, side: int = 8) -> np.ndarray:
    shape = (n, side, side) if channels == 1 else (n, side, side, channels)
    return np.random.default_rng(n).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Iterator[Path]:
    """A saved model of two classes."""
    model = ImageClassifier(**QUICK).fit(pictures(), ["a", "b"] * 12)
    yield model.save(tmp_path_factory.mktemp("source"))


def tensors(model: Any) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in model.network_.state_dict().items()}


@pytest.mark.parametrize("classes", [3, 5])  # as many as before, and fewer
@pytest.mark.parametrize("name", ["small", "lenet5", "resnet20", "mobilenet_v2"])
def test_the_body_is_copied_and_the_head_is_not(name, classes):
    size = max(NETWORKS[name].image_size, 8)
    torch.manual_seed(0)
    trained = build(name, num_classes=5, in_channels=1, image_size=size)
    network = build(name, num_classes=classes, in_channels=1, image_size=size)
    before = {k: t.clone() for k, t in network.state_dict().items()}
    start_from(network, dict(trained.state_dict()), "elsewhere")
    head = [k for k in before if k.startswith(network.head_name + ".")]
    assert len(head) == 2
    for key, t in network.state_dict().items():
        wanted = before[key] if key in head else trained.state_dict()[key]
        assert t.equal(wanted), key
    x = torch.randn(2, 1, size, size)
    assert network.eval().embed(x).equal(trained.eval().embed(x))


def test_the_weights_are_copies_and_not_the_same_memory():
    trained, network = build("small", num_classes=2), build("small", num_classes=2)
    start_from(network, dict(trained.state_dict()), "elsewhere")
    before = {k: t.clone() for k, t in trained.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert all(t.equal(before[k]) for k, t in trained.state_dict().items())


def test_a_frozen_body_does_not_change_by_a_bit(source):
    settings: dict[str, Any] = QUICK | {
        "weights": str(source),
        "freeze": "all",
        "epochs": 3,
    }
    model = ImageClassifier(**settings).fit(pictures(n=30), ["x", "y", "z"] * 10)
    started, _ = read_source(str(source))
    head = f"{model.network_.head_name}."
    body = {k: t for k, t in tensors(model).items() if not k.startswith(head)}
    assert len(body) > 5 and any("running_mean" in k for k in body)
    assert all(t.equal(started[k]) for k, t in body.items())  # statistics as well
    assert tensors(model)[f"{head}weight"].shape[0] == 3


def test_without_freezing_the_body_learns_too(source):
    settings: dict[str, Any] = QUICK | {"weights": str(source), "val_fraction": 0.0}
    model = ImageClassifier(**settings)  # nothing held out, so nothing to go back by
    model.fit(pictures(n=30), ["x", "y", "z"] * 10)
    started, _ = read_source(str(source))
    changed = [k for k, t in tensors(model).items() if not t.equal(started[k])]
    assert len(changed) > 5


def test_trained_weights_keep_the_statistics_that_they_came_with(source):
    """A small batch would estimate others, which the fitted head does not know."""
    given = read_source(str(source))[0]
    settings: dict[str, Any] = QUICK | {"weights": str(source), "val_fraction": 0}
    model = ImageClassifier(**settings, batch_norm="frozen")
    model.fit(pictures(), ["x", "y"] * 12)
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
    [("auto", 16, False), ("auto", 64, True), ("batch", 64, False)],
)
def test_batch_norms_follow_the_batches_of_small_pictures(
    tmp_path, batch_norm, size, frozen
):
    settings: dict[str, Any] = QUICK | {"image_size": size, "epochs": 1}
    source = ImageClassifier(**settings).fit(pictures(), ["a", "b"] * 12)
    settings |= {"weights": str(source.save(tmp_path)), "val_fraction": 0}
    model = ImageClassifier(**settings, batch_norm=batch_norm)
    model.fit(pictures(), ["x", "y"] * 12)
    given, found = tensors(source), tensors(model)
    means = [name for name in found if "running_mean" in name]
    same = [torch.equal(found[name], given[name]) for name in means]
    assert len(means) > 3 and same == [frozen] * len(means)


@pytest.mark.parametrize("patience", [0, 9])
def test_the_last_epoch_is_kept_unless_patience_asks_for_the_best(source, patience):
    how: dict[str, Any] = QUICK | {"weights": str(source), "epochs": 6, "lr": 0.3}
    model = ImageClassifier(**how, val_fraction=0.3, patience=patience, ema=0.0)
    model.fit(pictures(n=60), ["x", "y"] * 30)  # by chance: the loss only grows
    losses = [epoch.val_loss for epoch in model.history_]
    best = [epoch.best for epoch in model.history_]
    lowest = [loss == min(losses[: k + 1]) for k, loss in enumerate(losses)]
    assert not all(lowest)
    assert best == (lowest if patience else [True] * 6)


def test_only_the_head_learns():
    network = build("small", num_classes=3)
    freeze_first(network, "all")
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    assert names == [f"{network.head_name}.weight", f"{network.head_name}.bias"]
    freeze_first(network, "none")
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize(("blocks", "learned"), [(0, 4), (1, 3), (2, 2), (3, 1)])
def test_the_first_blocks_stay(blocks, learned):
    network = build("small", num_classes=3)  # three stages and the head
    freeze_first(network, str(blocks))
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    first = {name.split(".")[1] for name in names if name.startswith("stages.")}
    assert len(first) + 1 == learned
    assert first == {str(k) for k in range(blocks, 3)}


def test_more_blocks_than_there_are_cannot_stay():
    with pytest.raises(SettingError, match=r"at most 3: .* Got 4 instead"):
        freeze_first(build("small", num_classes=3), "4")


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "vgg11"])
def test_blocks_hold_every_parameter_once_and_end_with_the_head(name):
    network = build(name, num_classes=3)
    names = [k for block in network.blocks() for k in block]
    assert names == [k for k, _ in network.named_parameters()]
    head = f"{network.head_name}."
    assert [is_head(network, b) for b in network.blocks()].count(True) == 1
    assert all(k.startswith(head) for k in network.blocks()[-1] if "fc" in head)


def test_the_blocks_of_a_mobilenet_are_the_paper_s():
    network = build("mobilenet_v2", num_classes=3)
    assert len(network.blocks()) == 1 + 17 + 1 + 1  # stem, blocks, last, head
    by_name = shares(network, 0.5)
    assert by_name["classifier.1.weight"] == 1
    assert by_name["features.18.0.weight"] == 0.5
    assert by_name["features.0.0.weight"] == by_name["features.0.1.bias"] == 0.5**19


def test_pictures_are_prepared_as_the_weights_know_them(source):
    told = read_source(str(source))[1]
    assert told is not None
    settings: dict[str, Any] = QUICK | {"weights": str(source)}
    model = ImageClassifier(**settings, resize="pad")
    model.fit(pictures(3, side=20), ["x", "y"] * 12)  # colour, larger, another form
    how = model.preprocessing_.to_dict()
    assert {k: list(v) if isinstance(v, tuple) else v for k, v in how.items()} == (
        told["preprocessing"] | {"resize": "pad"}  # the user's own word counts
    )
    assert model.network_.head.out_features == 2
    model = ImageRegressor(**settings)
    assert len(model.fit(pictures(), np.arange(24.0)).predict(pictures())) == 24


def test_a_file_of_tensors_does_as_well(source, tmp_path):
    folder, description = read_source(str(source))
    assert description is not None
    save_file(folder, tmp_path / "plain.safetensors")
    plain, nothing = read_source(str(tmp_path / "plain.safetensors"))
    assert nothing is None and plain.keys() == folder.keys()
    assert all(plain[k].equal(t) for k, t in folder.items())
    (tmp_path / "bare").mkdir()
    save_file(folder, tmp_path / "bare" / "model.safetensors")
    assert read_source(str(tmp_path / "bare"))[0].keys() == folder.keys()
    settings: dict[str, Any] = QUICK | {"weights": str(tmp_path / "plain.safetensors")}
    settings["backbone"] = "small"  # whose shapes go with the picture's size
    assert ImageClassifier(**settings).fit(pictures(), ["x", "y"] * 12).history_


@pytest.mark.parametrize(
    ("network", "wanted"),
    [
        (("lenet5", 1), r"8 of 8 tensors \(features\.1\.weight is missing; .*\.\.\.\)"),
        (("small", 3), r"1 of \d+ tensors \(.*weight is \[\d+, 1, .*wanted \[\d+, 3, "),
    ],
)
def test_weights_of_another_network_are_refused(network, wanted, source):
    name, channels = network
    other = build(name, num_classes=2, in_channels=channels, image_size=8)
    before = {k: t.clone() for k, t in other.state_dict().items()}
    with pytest.raises(SettingError, match=wanted + r".*Choose the --backbone"):
        start_from(other, read_source(str(source))[0], str(source))
    assert all(t.equal(before[k]) for k, t in other.state_dict().items())


def test_what_is_no_model_is_refused(source, tmp_path):
    for place in (tmp_path, tmp_path / "gone.safetensors"):
        with pytest.raises(ModelFileError, match="There is no file"):
            read_source(str(place))
    (tmp_path / "model.pt").write_bytes(b"\x80\x04")
    with pytest.raises(ModelFileError, match="pickle"):
        read_source(str(tmp_path / "model.pt"))
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / "model.json").write_bytes((source / "model.json").read_bytes())
    save_file({"w": torch.ones(2)}, copied / "model.safetensors")
    with pytest.raises(ModelFileError, match="hashes differ"):
        read_source(str(copied))


def test_the_head_is_drawn_by_the_seed(source):
    def head(seed: int) -> torch.Tensor:
        model = ImageClassifier(**QUICK, weights=str(source), random_state=seed)
        for _ in model.fit_epochs(pictures(), ["x", "y"] * 12):
            break
        return model.network_.head.weight

    assert head(0).equal(head(0)) and not head(0).equal(head(1))


# --- how much learns, and when ------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "frozen"), [(60, "0"), (59, "1"), (30, "1"), (29, "2"), (14, "all")]
)
def test_as_few_blocks_are_frozen_as_time_asks_for(seconds, frozen):
    network = build("small", num_classes=3)  # three blocks and the head
    assert body_blocks(network) == 3
    cost = {"0": 20, "1": 10, "2": 5}  # three epochs: 60, 30, 15 seconds
    assert blocks_to_freeze(network, seconds, cost.__getitem__) == frozen


def test_layers_open_in_stages_from_the_head_backwards():
    network = build("small", num_classes=3)
    unfreeze_at = opening_epochs(network, 2, 10)
    assert unfreeze_at.keys() == dict(network.named_parameters()).keys()
    by_block = [{unfreeze_at[name] for name in names} for names in network.blocks()]
    assert by_block == [{5}, {5}, {0}, {0}]
    assert set(opening_epochs(network, 1, 10).values()) == {0}
    assert set(opening_epochs(network, 99, 3).values()) == {0, 1, 2}


def test_fine_tuning_in_stages_leaves_late_layers_for_later(source):
    staged: dict[str, Any] = QUICK | {"epochs": 4, "stages": 2}
    model = ImageClassifier(**staged, weights=str(source))
    at_first, seen = None, []
    for _ in model.fit_epochs(pictures(), ["x", "y"] * 12):
        state = tensors(model)
        at_first = at_first or model._begun
        first, *_, head = model.network_.blocks()
        seen.append([state[n].equal(at_first[n]) for n in (first[0], head[0])])
    assert seen == [[True, False]] * 2 + [[False, False]] * 2


def test_time_decides_how_much_learns(source, monkeypatch):
    def learned(an_epoch: float) -> list[bool]:
        asked: dict[str, Any] = QUICK | {"epochs": None, "minutes": 1, "freeze": "auto"}
        asked |= {"weights": str(source)}
        model = ImageClassifier(**asked)
        monkeypatch.setattr(ImageEstimator, "_seconds_an_epoch", lambda *_: an_epoch)
        next(model.fit_epochs(pictures(), ["x", "y"] * 12))
        parameters = dict(model.network_.named_parameters())
        return [parameters[b[0]].requires_grad for b in model.network_.blocks()]

    assert all(learned(1))
    *body, head = learned(1000)
    assert head and body and not any(body)


def test_between_epochs_the_best_model_so_far_can_be_saved(source, tmp_path):
    x, y = pictures(n=80), ["x", "y"] * 40
    model = ImageClassifier(**QUICK, weights=str(source), val_fraction=0.4)
    epochs = model.fit_epochs(x, y)
    next(epochs)
    saved = model.save_best(tmp_path / "now")
    assert saved == model._beside_the_probe().better
    plain = ImageClassifier(**QUICK, val_fraction=0.4)
    epochs = plain.fit_epochs(x, y)
    next(epochs)
    assert plain.save_best(tmp_path / "scratch")
    kept = load(tmp_path / "scratch").predict_proba(x[:5])
    list(epochs)
    best = next(e for e in reversed(plain.history_) if e.best)
    same = np.allclose(kept, plain.predict_proba(x[:5]))
    assert same == (best.epoch == 1)


def test_what_nothing_can_test_is_not_fine_tuned(source):
    """Two pictures leave none to hold out; who asks for none gets what is asked."""
    x, y = pictures(n=2), ["x", "y"]
    model = ImageClassifier(**QUICK, weights=str(source)).fit(x, y)
    assert model.history_ == [] and not model._tuned
    assert "no picture could be held out" in model.fine_tuning
    asked = ImageClassifier(**QUICK, weights=str(source), val_fraction=0).fit(x, y)
    assert asked.history_ and asked._tuned
    assert "was not tested" in asked.fine_tuning
    frozen = ImageClassifier(**QUICK, weights=str(source), freeze="all").fit(x, y)
    assert frozen.fine_tuning == ""


def test_training_from_nothing_measures_no_form_and_has_its_seconds(
    source, monkeypatch
):
    model = ImageClassifier(**QUICK, weights=str(source), val_fraction=0.4)
    model.fit(pictures(n=60), ["x", "y"] * 30)
    monkeypatch.setattr(ImageEstimator, "_fastest", None)
    monkeypatch.setattr(ImageEstimator, "_seconds_an_epoch", None)
    began = []
    start = Trainer.start_clock
    monkeypatch.setattr(Trainer, "start_clock", lambda self: began.append(start(self)))
    train, val = model._parts(pictures(n=60), ["x", "y"] * 30, None)
    score = model.fit_from_scratch(train, val, 0.2)
    assert began == [None] and score.n == len(val)


def test_a_run_that_the_clock_ended_is_resumed_to_the_same(source, tmp_path):
    """Its minutes are over, and yet it was fine-tuned: that is not taken back."""
    asked: dict[str, Any] = QUICK | {"epochs": None, "minutes": 0.03}
    asked |= {"weights": str(source), "val_fraction": 0, "scratch": False}
    x, y, file = pictures(n=40), ["x", "y"] * 20, tmp_path / "last.safetensors"
    first, again = (ImageClassifier(**asked) for _ in range(2))
    list(first.fit_epochs(x, y, checkpoint=file))
    list(again.fit_epochs(x, y, checkpoint=file))
    assert first.history_ and again._tuned and not again.fine_tuning_skipped_
    assert [e.epoch for e in again.history_] == [e.epoch for e in first.history_]
    ours, theirs = tensors(again), tensors(first)
    assert all(ours[name].equal(t) for name, t in theirs.items())
