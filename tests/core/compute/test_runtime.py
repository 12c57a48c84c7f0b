"""Runtimes: the form is what it says, the fastest is chosen, seeds are functions."""

import copy
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vicinal.core.compute import runtime
from vicinal.core.compute.batchnorm_folding import find_conv_bn_pairs, frozen_batchnorm
from vicinal.core.compute.runtime import (
    Runtime,
    candidates,
    count_parameters,
    deterministic,
    fastest,
    find_device,
    generator,
    indexed,
    measured,
    remembered,
    seed_for,
)
from vicinal.errors import SettingError

sweep = settings(max_examples=60, deadline=None, database=None)
inputs = st.lists(st.integers(0, 2**70), min_size=1, max_size=5).map(tuple)

PLAIN = Runtime()
LAST = Runtime(channels_last=True)
LOW = Runtime(precision="bfloat16", channels_last=True)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
    )


@pytest.fixture
def net() -> nn.Module:
    made = network()
    made(torch.zeros(1, 3, 6, 6))  # the lazy layer learns its size
    return made


# --- the form --------------------------------------------------------------------


@pytest.mark.parametrize("form", [PLAIN, LAST])
def test_a_model_and_its_batches_are_put_in_order(net, form):
    order = torch.channels_last if form.channels_last else torch.contiguous_format
    other = torch.contiguous_format if form.channels_last else torch.channels_last
    before = copy.deepcopy(net.state_dict())
    assert form.prepare(net) is net
    x = torch.randn(2, 3, 6, 6).contiguous(memory_format=other)
    for t in (net[0].weight, form.place(x)):
        assert t.is_contiguous(memory_format=order)
        assert not t.is_contiguous(memory_format=other)
    assert form.place(x).equal(x)
    assert all(t.equal(before[name]) for name, t in net.state_dict().items())


@pytest.mark.parametrize("shape", [(), (4,), (4, 5), (2, 3, 4), (2, 3, 4, 5, 6)])
def test_only_pictures_change_order(shape):
    x = torch.randn(shape)
    assert LAST.place(x).stride() == x.stride()


def test_products_are_in_the_format_named():
    a = torch.ones(2, 2)
    with LOW.active():
        assert (a @ a).dtype == torch.bfloat16
        with PLAIN.active():
            assert (a @ a).dtype == torch.float32
    assert (a @ a).dtype == torch.float32


@pytest.mark.parametrize("before", [(False, False), (True, True), (True, False)])
@pytest.mark.parametrize("exact", [True, False])
def test_determinism_is_as_strict_as_asked_and_put_back(exact, before):
    now = torch.get_deterministic_debug_mode
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    try:
        mode = now()
        with pytest.raises(KeyError), deterministic(exact):
            # 0 off, 1 warns, 2 raises: who asked for 2 keeps it
            assert now() == (max(mode, 1) if exact else mode)
            raise KeyError
        assert now() == mode
        with Runtime(exact=exact).active():
            assert now() == (max(mode, 1) if exact else mode)
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_form_does_not_import_the_compiler():
    """It takes a second, which the first answer of a model would wait for."""
    code = """
import sys
from vicinal.core.compute.runtime import Runtime
for exact in (False, True):
    with Runtime(exact=exact).active():
        pass
assert "torch" in sys.modules and "torch._inductor" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), Runtime(threads=before + 2).threaded():
        assert torch.get_num_threads() == before + 2
        raise KeyError
    with Runtime().threaded():
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def test_a_form_reads_and_comes_back():
    assert str(PLAIN) == "cpu, float32"
    assert str(LOW) == "cpu, bfloat16, channels last"
    assert Runtime(**LOW.to_dict()) == LOW


# --- the choice ------------------------------------------------------------------


def test_the_candidates():
    assert candidates("cpu", "auto", False) == [PLAIN, LAST, LOW]
    assert candidates("cpu", "float32", False) == [PLAIN, LAST]
    assert candidates("cpu", "bfloat16", False) == [LOW]


def test_an_accelerator_may_compile_what_it_does():
    gpu = replace(LOW, device="cuda")
    assert candidates("cuda", "auto", False)[2:] == [gpu, replace(gpu, compiled=True)]
    assert str(replace(gpu, compiled=True)).endswith("channels last, compiled")
    assert not any(form.compiled for form in candidates("cuda", "auto", True))


META = replace(LOW, device="meta")  # what is no CPU, and is here
COMPILED = replace(META, compiled=True)


@pytest.mark.parametrize(
    ("passes", "seconds", "pays"),
    [
        (301, 1e9, True),  # 30 s to begin with, then 1 s a pass, beside 2 s
        (299, 1e9, False),  # ten minutes are not worth the try
        (1e9, 599, False),
        (1e9, 601, True),
    ],
)
def test_compiling_has_to_pay(monkeypatch, passes, seconds, pays):
    taken = {META: iter([2.0] * 9), COMPILED: iter([30.0] + [1.0] * 8)}
    monkeypatch.setattr(Runtime, "forward", lambda self, model: model)
    monkeypatch.setattr(
        runtime, "_pass_seconds", lambda f, x, form, learning: next(taken[form])
    )
    span = {"passes": passes, "seconds": seconds}
    best = fastest(nn.Linear(1, 1), torch.zeros(1, 1), [META, COMPILED], **span)
    assert best == (COMPILED if pays else META)


def test_what_compiling_takes_is_dealt_to_the_passes(monkeypatch):
    """400 s to begin with are 1 s for each of 399 passes: even at 399, not at 400."""
    taken: dict[Runtime, list[float]] = {}

    def seconds(f, x, form: Runtime, learning) -> float:
        taken.setdefault(form, []).append(0)
        first = len(taken[form]) == 1
        return 2.0 if form == META else (400.0 if first else 1.0)

    monkeypatch.setattr(Runtime, "forward", lambda self, model: model)
    monkeypatch.setattr(runtime, "_pass_seconds", seconds)
    for passes, best in ((399, META), (400, COMPILED)):
        taken.clear()
        forms = [META, COMPILED]
        found = fastest(nn.Linear(1, 1), torch.zeros(1, 1), forms, passes=passes)
        assert found == best


def test_where_there_is_no_compiler_nothing_is_compiled(monkeypatch):
    def none(model: nn.Module) -> nn.Module:
        class Failing(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                raise RuntimeError("InvalidCxxCompiler")

        return Failing()

    monkeypatch.setattr(torch, "compile", none)
    form = replace(PLAIN, compiled=True)
    found = measured(nn.Linear(2, 2), torch.ones(1, 2), [PLAIN, form])
    assert found[form] == math.inf and 0 < found[PLAIN] < 60


def test_a_device_has_its_number_in_every_thread(monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert indexed("cuda") == "cuda:3"
    assert [indexed(name) for name in ("cuda:1", "cpu", "mps")] == [
        "cuda:1", "cpu", "mps"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_compiled_network_learns_the_same(net):
    """Output, gradients and what a step changes, with batch norms fixed and not."""
    x = torch.randn(8, 3, 6, 6)
    pairs = find_conv_bn_pairs(net, x[:2])
    for fixed in (None, pairs):
        found = []
        for form in (PLAIN, replace(PLAIN, compiled=True)):
            trial = form.prepare(copy.deepcopy(net)).train()
            forward = form.forward(trial)
            mine = fixed and find_conv_bn_pairs(trial, x[:2])
            with frozen_batchnorm(trial, mine):
                out = forward(x)
                out.square().mean().backward()
            grads = [p.grad for p in trial.parameters()]
            found.append([out.detach(), *grads, *trial.buffers()])
        for plain, compiled in zip(*found, strict=True):
            torch.testing.assert_close(compiled, plain)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_exact_is_float32_alone(precision):
    assert candidates("cpu", precision, True) == [Runtime("cpu", "float32", exact=True)]


@pytest.mark.parametrize(
    ("seconds", "best"),
    [((3, 2, 1), LOW), ((1, 2, 3), PLAIN), ((2, 1, 3), LAST), ((1, 1, 1), PLAIN)],
)
def test_the_fastest_has_the_least_seconds(monkeypatch, seconds, best):
    forms = [PLAIN, LAST, LOW]
    told = dict(zip(forms, seconds, strict=True))
    monkeypatch.setattr(runtime, "measured", lambda m, x, forms, *_: told)
    assert fastest(nn.Linear(1, 1), torch.zeros(1), forms) == best


@pytest.mark.parametrize(
    ("together", "alone", "threads"),
    [(0.01, 0.009, 1), (0.01, 0.011, 0), (0.01, 0.01, 0), (1.0, 0.5, 0)],
)
def test_one_thread_is_taken_where_a_short_step_is_shorter_with_it(
    monkeypatch, together, alone, threads
):
    def told(model: nn.Module, x: Tensor, forms: list[Runtime], *_):
        return {f: (alone if f.threads else together) + (f == PLAIN) for f in forms}

    monkeypatch.setattr(runtime, "measured", told)
    best = fastest(nn.Linear(1, 1), torch.zeros(1), [PLAIN, LOW])
    assert best == replace(LOW, threads=threads)


def test_what_cannot_be_chosen_is_not_measured(monkeypatch):
    monkeypatch.setattr(runtime, "measured", None)
    exact = Runtime(exact=True)
    assert fastest(nn.Linear(1, 1), torch.zeros(1), [exact]) == exact


def test_a_measurement_is_the_least_after_warming_up(monkeypatch):
    clock = iter([0, 1, 10, 15, 20, 23, 30, 34])  # steps of 1 (to warm up), 5, 3, 4 s
    monkeypatch.setattr(runtime.time, "perf_counter", lambda: next(clock))
    assert measured(nn.Linear(2, 2), torch.ones(1, 2), [PLAIN]) == {PLAIN: 3}


def test_forms_are_measured_in_turns(monkeypatch):
    order: list[Runtime] = []

    def timed(model: nn.Module, x: Tensor, form: Runtime, learning: bool) -> float:
        order.append(form)
        return 1.0

    monkeypatch.setattr(runtime, "_pass_seconds", timed)
    measured(nn.Linear(2, 2), torch.ones(1, 2), [PLAIN, LOW], repeats=2)
    assert order == [PLAIN, LOW] * 3


def test_measuring_leaves_the_model_as_it_was(net):
    net.eval()
    before = copy.deepcopy(net.state_dict())
    x = torch.randn(4, 3, 6, 6)
    best = fastest(net, x, [PLAIN, LAST, LOW], repeats=1)
    assert replace(best, threads=0) in (PLAIN, LAST, LOW)
    assert all(t.equal(before[name]) for name, t in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert not any(module.training for module in net.modules())
    assert net[0].weight.is_contiguous()


# --- the device ------------------------------------------------------------------


def test_the_cpu_is_always_there():
    assert find_device("cpu") == "cpu"
    assert isinstance(find_device(), str)
    torch.zeros(1, device=find_device())


@pytest.mark.parametrize("name", ["banana", "", "cuda:99", "meta"])
def test_an_unknown_device_is_named_with_a_cure(name):
    with pytest.raises(SettingError) as caught:
        find_device(name)
    text = str(caught.value)
    assert text.startswith(f"device {name!r} cannot be used here: ")
    assert text.endswith("Leave --device out to take the best one there is.")
    assert ".." not in text and "\n" not in text


# --- seeds -----------------------------------------------------------------------


@sweep
@given(inputs, inputs)
def test_different_inputs_have_different_seeds(a, b):
    assert (seed_for(*a) == seed_for(*b)) == (a == b)
    assert 0 <= seed_for(*a) < 2**63


@pytest.mark.parametrize(
    ("a", "b"),
    # numpy's SeedSequence takes each of these pairs for one
    [((1,), (1, 0)), ((1, 2), (1, 2, 0)), ((2**32,), (0, 1)), ((0,), (0, 0))],
)
def test_zeros_and_large_numbers_count(a, b):
    assert seed_for(*a) != seed_for(*b)


def test_a_seed_is_a_function_of_its_inputs_alone():
    here = seed_for(3, 1, 4)
    assert here == seed_for(*np.array([3, 1, 4]))
    assert here == 9049538323503625462  # whatever was drawn before, and for ever


def test_a_generator_is_a_function_of_its_inputs_alone():
    def draw(*numbers: int) -> Tensor:
        return torch.rand(5, generator=generator(*numbers))

    first = draw(1, 2)
    torch.rand(3)
    assert draw(1, 2).equal(first) and not draw(1, 3).equal(first)


def test_parameters_are_counted_by_hand():
    # 3 * 4 + 4, and the batch norm's 4 + 4; its running statistics are not learned
    assert count_parameters(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))) == 24


def test_a_form_is_measured_once_on_a_machine(tmp_path):
    path, measured = tmp_path / "cache" / "forms.json", []

    def measure() -> Runtime:
        measured.append(1)
        return LOW

    assert [remembered(path, "small", measure) for _ in range(3)] == [LOW] * 3
    assert len(measured) == 1
    remembered(path, "large", measure)
    assert len(measured) == 2 and remembered(path, "small", measure) == LOW
    path.write_text("{damaged")
    assert remembered(path, "small", measure) == LOW and len(measured) == 3
    assert remembered(path, "small", measure) == LOW and len(measured) == 3


def test_a_form_that_cannot_be_kept_is_measured_again(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "forms.json"
    assert remembered(path, "small", lambda: LOW) == LOW
