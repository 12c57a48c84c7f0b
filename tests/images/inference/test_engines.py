"""Engines say what the network says, however they were prepared."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vicinal.core.compute import openvino as inference
from vicinal.core.compute.runtime import Runtime
from vicinal.images.data.decode import Preprocessing
from vicinal.images.inference import engines
from vicinal.images.inference.engines import Engines, engine, network_key
from vicinal.images.networks import build
from vicinal.images.networks.base import Network

HOW = Preprocessing(16, 18, channels=3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
NORM, D = "stages.0.bn", 64
FORMS = [
    Runtime(),
    Runtime(channels_last=True),
    Runtime(precision="bfloat16", channels_last=True),
    Runtime(engine="openvino"),
]


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    network = build("small", num_classes=4, in_channels=3, image_size=16)
    network.train()
    for _ in range(3):  # so that its batch norms have seen something
        network(torch.rand(32, 3, 16, 16))
    return network.eval()


@pytest.fixture
def x() -> np.ndarray:
    """Pixels [B, S, S, C]."""
    return np.random.default_rng(1).integers(0, 256, (7, 18, 18, 3), np.uint8)


def usable(form: Runtime) -> None:
    if form.engine == "openvino" and not inference.is_installed():
        pytest.skip("the extra `fast` is not installed")


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("many", [False, True])
def test_all_engines_agree_with_the_network(network, x, form, many):
    usable(form)
    middle = torch.from_numpy(x[:, 1:17, 1:17] / 255).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (HOW.mean, HOW.std))
    with torch.inference_mode():
        wanted = network.embed((middle - mean) / std)
        logits = network((middle - mean) / std)
    found = engine(network, HOW, form, many=many)(x)
    assert found.dtype == torch.float32
    tolerance = 0.03 if form.precision == "bfloat16" else 1e-5
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()
    answers = Engines(network, HOW, form, "small", "auto", cache=False)
    off = (answers.logits(found) - logits).abs().max()
    assert off <= tolerance * logits.abs().max()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_network_is_left_as_it_was(network, x, form):
    usable(form)
    before = {k: t.clone() for k, t in network.state_dict().items()}
    engine(network, HOW, form, many=True)(x)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_between_two_answers_the_network_may_learn(network, x):
    answers = Engines(network, HOW, Runtime(), "small", "auto", cache=False)
    first = answers.embed(x, many=False)
    network.train()
    again = answers.embed(x, many=False)
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    logits = answers.logits(again)
    with torch.no_grad():
        network.head.bias.add_(1)
        network.get_submodule(NORM).bias.add_(1)
    torch.testing.assert_close(answers.logits(again), logits + 1)
    assert (answers.embed(x, many=False) - first).abs().max() > 0.01


@pytest.mark.skipif(not inference.is_installed(), reason="wants the extra `fast`")
@pytest.mark.parametrize("harm", ["none", "damaged", "not there"])
def test_what_is_on_disk_is_read_ahead(network, x, monkeypatch, harm):
    form = Runtime(engine="openvino")
    monkeypatch.setattr(engines, "fastest_forward", lambda *_, **named: form)
    wanted = engine(network, HOW, form, many=True)(x)
    kept = engines._kept(network, HOW, form)
    assert kept.exists()
    if harm == "damaged":
        kept.write_text("?")
    if harm == "not there":
        kept.unlink()
    traced = []
    plain = engines.on_openvino

    def counted(*args):
        traced.append(1)
        return plain(*args)

    monkeypatch.setattr(engines, "on_openvino", counted)
    answers = Engines(network, HOW, Runtime(), "small", "auto", cache=True)
    answers.begin()
    answers.begin()
    assert not traced  # torch's tracers must not be at work in a thread
    torch.testing.assert_close(answers.embed(x, many=True), wanted, rtol=0, atol=1e-6)
    assert len(traced) == (harm != "none")


def test_the_key_of_features_is_that_of_the_body(network):
    before = network_key(network, HOW, Runtime())
    with torch.no_grad():
        network.head.bias.add_(1)
    assert network_key(network, HOW, Runtime()) == before
    with torch.no_grad():
        network.get_submodule(NORM).bias.add_(1)
    assert network_key(network, HOW, Runtime()) != before


def test_few_pictures_do_not_wait_for_an_engine(network, x, monkeypatch):
    def refuse(*args, **named):
        raise AssertionError("an engine was measured for few pictures")

    monkeypatch.setattr(engines, "fastest_forward", refuse)
    form = Runtime(engine="openvino")
    answers = Engines(network, HOW, form, "small", "auto", cache=False)
    assert answers.form_for(many=False) == replace(form, engine="torch")
    assert answers.embed(x, many=False).shape == (7, D)
    with pytest.raises(AssertionError):
        answers.embed(x, many=True)
    exact = Engines(network, HOW, Runtime(exact=True), "small", "auto", cache=False)
    assert exact.embed(x, many=True).shape == (7, D)


def test_the_fastest_form_is_measured_once_on_a_machine(network, monkeypatch):
    measured = []
    plain = engines.fastest

    def counted(*args, **named):
        measured.append(1)
        return plain(*args, **named)

    monkeypatch.setattr(engines, "fastest", counted)
    answers = Engines(network, HOW, Runtime(), "small", "auto", cache=True)
    assert answers.form_for(many=True) == answers.form_for(many=True)
    assert len(measured) == 1
