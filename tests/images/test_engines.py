"""Engines say what the network says, however they were prepared."""

from dataclasses import replace

import pytest
import torch

from vicinal.core import inference
from vicinal.core.runtime import Runtime
from vicinal.images import engines
from vicinal.images.decode import Preprocessing
from vicinal.images.engines import Engines, engine, network_key
from vicinal.images.networks import build
from vicinal.images.networks.network import Network

HOW = Preprocessing(16, 16, channels=3)
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
def x() -> torch.Tensor:
    return torch.rand(7, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def usable(form: Runtime) -> None:
    if form.engine == "openvino" and not inference.is_installed():
        pytest.skip("the extra `fast` is not installed")


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("embed", [False, True])
@pytest.mark.parametrize("many", [False, True])
def test_all_engines_agree_with_the_network(network, x, form, embed, many):
    usable(form)
    with torch.inference_mode():
        wanted = network.embed(x) if embed else network(x)
    found = engine(network, HOW, form, embed=embed, many=many)(x)
    assert found.dtype == torch.float32
    tolerance = 0.03 if form.precision == "bfloat16" else 1e-5
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_network_is_left_as_it_was(network, x, form):
    usable(form)
    before = {k: t.clone() for k, t in network.state_dict().items()}
    engine(network, HOW, form, embed=False, many=True)(x)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_between_two_answers_the_network_may_learn(network, x):
    run = engine(network, HOW, Runtime(), embed=False, many=False)
    first = run(x)
    network.train()
    torch.testing.assert_close(run(x), first, rtol=0, atol=0)
    with torch.no_grad():
        network.head.bias.add_(1)
    torch.testing.assert_close(run(x), first + 1)


def test_the_key_of_logits_changes_with_the_head_and_that_of_features_does_not(network):
    features, logits = (
        network_key(network, HOW, Runtime(), head=head) for head in (False, True)
    )
    with torch.no_grad():
        network.head.bias.add_(1)
    assert network_key(network, HOW, Runtime()) == features != logits
    assert network_key(network, HOW, Runtime(), head=True) != logits


def test_few_pictures_do_not_wait_for_an_engine(network, x, monkeypatch):
    def refuse(*args, **named):
        raise AssertionError("an engine was measured for few pictures")

    monkeypatch.setattr(engines, "fastest_forward", refuse)
    form = Runtime(engine="openvino")
    answers = Engines(network, HOW, form, "small", "auto", cache=False)
    assert answers.form_for(many=False) == replace(form, engine="torch")
    assert answers.run(x, embed=False, many=False).shape == (7, 4)
    with pytest.raises(AssertionError):
        answers.run(x, embed=False, many=True)
    exact = Engines(network, HOW, Runtime(exact=True), "small", "auto", cache=False)
    assert exact.run(x, embed=False, many=True).shape == (7, 4)


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
