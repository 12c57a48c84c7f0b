"""Engines predict what the network predicts, however they were prepared."""

import os
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from vicinal.core.compute import openvino
from vicinal.core.compute.runtime import Runtime
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inference import engines
from vicinal.images.inference.engines import (
    Engines,
    make_engine,
    network_hash,
    rows_per_batch,
)
from vicinal.images.networks import build
from vicinal.images.networks.base import Network

PREPROCESSING = Preprocessing(
    16, 18, channels=3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25)
)
NORM, D = "stages.0.bn", 64
RUNTIMES = [
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


def skip_if_unavailable(runtime: Runtime) -> None:
    if runtime.engine == "openvino" and not openvino.is_installed():
        pytest.skip("the extra `fast` is not installed")


@pytest.mark.parametrize("runtime", RUNTIMES, ids=str)
@pytest.mark.parametrize("many", [False, True])
def test_all_engines_agree_with_the_network_and_do_not_modify_it(
    network, x, runtime, many
):
    skip_if_unavailable(runtime)
    before = {k: t.clone() for k, t in network.state_dict().items()}
    middle = torch.from_numpy(x[:, 1:17, 1:17] / 255).permute(0, 3, 1, 2).float()
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in (PREPROCESSING.mean, PREPROCESSING.std)
    )
    with torch.inference_mode():
        expected = network.embed((middle - mean) / std)
        logits = network((middle - mean) / std)
    found = make_engine(network, PREPROCESSING, runtime, many=many)(x)
    assert found.dtype == torch.float32
    tolerance = 0.03 if runtime.precision == "bfloat16" else 1e-5
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()
    answers = Engines(network, PREPROCESSING, runtime, "small", "auto", cache=False)
    off = (answers.logits(found) - logits).abs().max()
    assert off <= tolerance * logits.abs().max()
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_an_engine_follows_changes_of_the_weights(network, x):
    answers = Engines(network, PREPROCESSING, Runtime(), "small", "auto", cache=False)
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


@pytest.mark.skipif(not openvino.is_installed(), reason="wants the extra `fast`")
@pytest.mark.parametrize(
    "harm",
    [
        "none",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("damaged", "not there")),
    ],
)
def test_a_traced_network_is_preloaded_from_disk(network, x, monkeypatch, harm):
    runtime = Runtime(engine="openvino")
    monkeypatch.setattr(engines, "fastest_forward", lambda *_, **named: runtime)
    expected = make_engine(network, PREPROCESSING, runtime, many=True)(x)
    path = engines.traced_path(network, PREPROCESSING, runtime)
    assert path.exists()
    if harm == "damaged":
        path.write_text("?")
    if harm == "not there":
        path.unlink()
    traced = []
    compile_with_openvino = openvino.compile_with_openvino

    def counting(*args):
        traced.append(1)
        return compile_with_openvino(*args)

    monkeypatch.setattr(openvino, "compile_with_openvino", counting)
    answers = Engines(network, PREPROCESSING, Runtime(), "small", "auto", cache=True)
    answers.preload()
    answers.preload()
    assert not traced  # torch's tracers must not be at work in a thread
    torch.testing.assert_close(answers.embed(x, many=True), expected, rtol=0, atol=1e-6)
    assert len(traced) == (harm != "none")


def test_the_hash_is_that_of_the_body(network):
    before = network_hash(network, PREPROCESSING, Runtime())
    with torch.no_grad():
        network.head.bias.add_(1)
    assert network_hash(network, PREPROCESSING, Runtime()) == before
    with torch.no_grad():
        network.get_submodule(NORM).bias.add_(1)
    assert network_hash(network, PREPROCESSING, Runtime()) != before


def test_few_images_need_no_measured_engine(network, x, monkeypatch):
    def refuse(*args, **named):
        raise AssertionError("an engine was measured for few images")

    monkeypatch.setattr(engines, "fastest_forward", refuse)
    runtime = Runtime(engine="openvino")
    answers = Engines(network, PREPROCESSING, runtime, "small", "auto", cache=False)
    assert answers.runtime_for(many=False) == replace(runtime, engine="torch")
    assert answers.embed(x, many=False).shape == (7, D)
    with pytest.raises(AssertionError):
        answers.embed(x, many=True)
    exact = Engines(
        network,
        PREPROCESSING,
        Runtime(deterministic=True),
        "small",
        "auto",
        cache=False,
    )
    assert exact.embed(x, many=True).shape == (7, D)


def test_the_fastest_runtime_is_measured_once(network, monkeypatch):
    measured = []
    measure = engines.fastest_runtime

    def counting(*args, **named):
        measured.append(1)
        return measure(*args, **named)

    monkeypatch.setattr(engines, "fastest_runtime", counting)
    monkeypatch.setattr(openvino, "is_installed", lambda: False)  # torch is quicker
    answers = Engines(network, PREPROCESSING, Runtime(), "small", "auto", cache=True)
    assert answers.runtime_for(many=True) == answers.runtime_for(many=True)
    assert len(measured) == 1


def test_the_hash_tells_networks_with_equal_weights_apart():
    """Padding and epsilon are no weights, but change every embedding."""
    options: dict[str, Any] = {"num_classes": 2, "in_channels": 3}
    network = build("mobilenet_v2", **options)
    for other_options in [{"padding": "tensorflow"}, {"norm_eps": 1e-3}]:
        options.update(other_options)
        other = build("mobilenet_v2", **options)
        other.load_state_dict(network.state_dict())
        hashes = [network_hash(n, PREPROCESSING, Runtime()) for n in (network, other)]
        assert hashes[0] != hashes[1]
        network = other


def test_large_images_are_computed_few_at_a_time(network, x, monkeypatch):
    assert [rows_per_batch(size, 3, 64) for size in (28, 224, 577, 2400)] == [
        64,
        64,
        64,
        3,
    ]
    assert rows_per_batch(10**6, 3) == 1
    made = Engines(network, PREPROCESSING, Runtime(), "small", "auto", cache=False)
    whole = made.embed(x, many=False)
    monkeypatch.setattr(engines, "BATCH_BYTES", 2.5 * x[0].size)
    assert rows_per_batch(18, 3, 64) == 2
    torch.testing.assert_close(made.embed(x, many=False), whole)


def test_a_fork_does_not_wait_for_the_preloading_thread_of_its_parent(
    network, x, monkeypatch
):
    """The thread is not in the fork, so that its result would never come."""
    made = Engines(network, PREPROCESSING, Runtime(), "small", "auto", cache=False)
    monkeypatch.setattr(Engines, "runtime_for", lambda *_: Runtime())
    made._preloading = os.getpid() + 1, Future()
    assert made.embed(x, many=True).shape == (7, D)


def test_a_fork_uses_torch_where_its_parent_used_openvino(network, x, monkeypatch):
    runtime = Runtime(engine="openvino")
    monkeypatch.setattr(openvino, "_first_process", os.getpid() + 1)
    monkeypatch.setattr(engines, "_make_openvino_engine", None)
    assert not openvino.is_installed()
    found = make_engine(network, PREPROCESSING, runtime, many=True)(x)
    expected = make_engine(network, PREPROCESSING, Runtime(), many=False)(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
