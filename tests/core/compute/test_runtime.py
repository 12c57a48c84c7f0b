"""Runtimes: dtype and memory format, the measured choice, and seeds."""

import copy
import math
import subprocess
import sys
from collections.abc import Iterator
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
    RUNTIME,
    Runtime,
    affordable_rows,
    cached_runtime,
    candidate_runtimes,
    count_parameters,
    deterministic_kernels,
    device_with_index,
    fastest_runtime,
    find_device,
    seconds_per_row,
    seed_for,
    seeded_generator,
    time_runtimes,
)
from vicinal.core.compute.threads import num_cores
from vicinal.core.storage.schema import SchemaError
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
def test_models_and_batches_get_the_memory_format(net, form):
    order = torch.channels_last if form.channels_last else torch.contiguous_format
    other = torch.contiguous_format if form.channels_last else torch.channels_last
    before = copy.deepcopy(net.state_dict())
    assert form.prepare(net) is net
    x = torch.randn(2, 3, 6, 6).contiguous(memory_format=other)
    for t in (net[0].weight, form.move(x)):
        assert t.is_contiguous(memory_format=order)
        assert not t.is_contiguous(memory_format=other)
    assert form.move(x).equal(x)
    assert all(t.equal(before[name]) for name, t in net.state_dict().items())


@pytest.mark.parametrize("shape", [(), (4,), (4, 5), (2, 3, 4), (2, 3, 4, 5, 6)])
def test_only_images_change_memory_format(shape):
    x = torch.randn(shape)
    assert LAST.move(x).stride() == x.stride()


def test_products_have_the_dtype_of_the_runtime():
    a = torch.ones(2, 2)
    with LOW.active():
        assert (a @ a).dtype == torch.bfloat16
        with PLAIN.active():
            assert (a @ a).dtype == torch.float32
    assert (a @ a).dtype == torch.float32


@pytest.mark.parametrize("before", [(False, False), (True, True), (True, False)])
@pytest.mark.parametrize("exact", [True, False])
def test_deterministic_mode_is_set_and_restored(exact, before):
    now = torch.get_deterministic_debug_mode
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    try:
        mode = now()
        with pytest.raises(KeyError), deterministic_kernels(exact):
            # 0 off, 1 warns, 2 raises: who asked for 2 keeps it
            assert now() == (max(mode, 1) if exact else mode)
            raise KeyError
        assert now() == mode
        with Runtime(deterministic=exact).active():
            assert now() == (max(mode, 1) if exact else mode)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.slow
def test_a_runtime_does_not_import_the_compiler():
    """It takes a second, which the first prediction of a model would wait for."""
    code = """
import sys
from vicinal.core.compute.runtime import Runtime
for exact in (False, True):
    with Runtime(deterministic=exact).active():
        pass
assert "torch" in sys.modules and "torch._inductor" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_number_of_threads_is_restored(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr("vicinal.core.compute.runtime.num_cores", lambda: before + 2)
    with pytest.raises(KeyError), Runtime(threads=before + 2).threaded():
        assert torch.get_num_threads() == before + 2
        raise KeyError
    with Runtime().threaded():
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def test_a_stored_number_of_threads_is_limited():
    with Runtime(threads=1_000_000).threaded():  # that many would end the process
        assert torch.get_num_threads() <= 4 * num_cores()
    for threads in (-1, 1_000_000, 1.0, "8"):
        with pytest.raises(SchemaError, match="threads must be a whole number from 0"):
            RUNTIME.check(Runtime().to_dict() | {"threads": threads})
    RUNTIME.check(Runtime(threads=8).to_dict())


def test_a_runtime_as_text_and_json():
    assert str(PLAIN) == "cpu, float32"
    assert str(LOW) == "cpu, bfloat16, channels last"
    assert Runtime(**LOW.to_dict()) == LOW


# --- the choice ------------------------------------------------------------------


def test_candidate_runtimes():
    assert candidate_runtimes("cpu", "auto", False) == [PLAIN, LAST, LOW]
    assert candidate_runtimes("cpu", "float32", False) == [PLAIN, LAST]
    assert candidate_runtimes("cpu", "bfloat16", False) == [LOW]


def test_an_accelerator_has_a_compiled_candidate():
    gpu = replace(LOW, device="cuda")
    assert candidate_runtimes("cuda", "auto", False)[2:] == [
        gpu,
        replace(gpu, compiled=True),
    ]
    assert str(replace(gpu, compiled=True)).endswith("channels last, compiled")
    assert not any(form.compiled for form in candidate_runtimes("cuda", "auto", True))


META = replace(LOW, device="meta")  # what is no CPU, and is here
COMPILED = replace(META, compiled=True)


@pytest.mark.parametrize(
    ("steps", "seconds", "pays"),
    [
        (301, 1e9, True),  # 30 s to begin with, then 1 s a pass, beside 2 s
        (299, 1e9, False),  # ten minutes are not worth the try
        (1e9, 599, False),
        (1e9, 601, True),
    ],
)
def test_compiling_is_measured_only_if_it_can_pay(monkeypatch, steps, seconds, pays):
    taken = {META: iter([2.0] * 9), COMPILED: iter([30.0] + [1.0] * 8)}
    monkeypatch.setattr(Runtime, "forward", lambda self, model: model)
    monkeypatch.setattr(
        runtime, "_pass_seconds", lambda f, x, form, training: next(taken[form])
    )
    span = {"steps": steps, "seconds": seconds}
    best = fastest_runtime(nn.Linear(1, 1), torch.zeros(1, 1), [META, COMPILED], **span)
    assert best == (COMPILED if pays else META)


def test_the_time_to_compile_is_divided_by_the_steps(monkeypatch):
    """400 s to begin with are 1 s for each of 399 steps: even at 399, not at 400."""
    taken: dict[Runtime, list[float]] = {}

    def seconds(f, x, form: Runtime, training) -> float:
        taken.setdefault(form, []).append(0)
        first = len(taken[form]) == 1
        return 2.0 if form == META else (400.0 if first else 1.0)

    monkeypatch.setattr(Runtime, "forward", lambda self, model: model)
    monkeypatch.setattr(runtime, "_pass_seconds", seconds)
    for steps, best in ((399, META), (400, COMPILED)):
        taken.clear()
        forms = [META, COMPILED]
        found = fastest_runtime(nn.Linear(1, 1), torch.zeros(1, 1), forms, steps=steps)
        assert found == best


def test_nothing_is_compiled_without_a_compiler(monkeypatch):
    def none(model: nn.Module) -> nn.Module:
        class Failing(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                raise RuntimeError("InvalidCxxCompiler")

        return Failing()

    monkeypatch.setattr(torch, "compile", none)
    form = replace(PLAIN, compiled=True)
    found = time_runtimes(nn.Linear(2, 2), torch.ones(1, 2), [PLAIN, form])
    assert found[form] == math.inf and 0 < found[PLAIN] < 60


def test_a_device_has_its_index_in_every_thread(monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert device_with_index("cuda") == "cuda:3"
    assert [device_with_index(name) for name in ("cuda:1", "cpu", "mps")] == [
        "cuda:1", "cpu", "mps"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_compiled_network_trains_the_same(net):
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
def test_deterministic_runtimes_are_float32(precision):
    assert candidate_runtimes("cpu", precision, True) == [
        Runtime("cpu", "float32", deterministic=True)
    ]


@pytest.mark.parametrize(
    ("seconds", "best"),
    [((3, 2, 1), LOW), ((1, 2, 3), PLAIN), ((2, 1, 3), LAST), ((1, 1, 1), PLAIN)],
)
def test_the_fastest_runtime_has_the_lowest_time(monkeypatch, seconds, best):
    forms = [PLAIN, LAST, LOW]
    messages = dict(zip(forms, seconds, strict=True))
    monkeypatch.setattr(runtime, "is_bfloat16_slow", lambda: False)
    monkeypatch.setattr(runtime, "time_runtimes", lambda m, x, forms, *_: messages)
    assert fastest_runtime(nn.Linear(1, 1), torch.zeros(1), forms) == best


@pytest.mark.parametrize(
    ("groups", "alone", "threads"),
    [(0.01, 0.009, 1), (0.01, 0.011, 0), (0.01, 0.01, 0), (1.0, 0.5, 0)],
)
def test_one_thread_is_used_if_a_short_step_is_faster_with_it(
    monkeypatch, groups, alone, threads
):
    def messages(model: nn.Module, x: Tensor, forms: list[Runtime], *_):
        return {f: (alone if f.threads else groups) + (f == PLAIN) for f in forms}

    monkeypatch.setattr(runtime, "is_bfloat16_slow", lambda: False)
    monkeypatch.setattr(runtime, "time_runtimes", messages)
    best = fastest_runtime(nn.Linear(1, 1), torch.zeros(1), [PLAIN, LOW])
    assert best == replace(LOW, threads=threads)


def test_a_single_candidate_is_not_measured(monkeypatch):
    monkeypatch.setattr(runtime, "time_runtimes", None)
    exact = Runtime(deterministic=True)
    assert fastest_runtime(nn.Linear(1, 1), torch.zeros(1), [exact]) == exact


def test_a_measurement_is_the_minimum_after_warm_up(monkeypatch):
    clock = iter([0, 1, 10, 15, 20, 23, 30, 34])  # steps of 1 (to warm up), 5, 3, 4 s
    monkeypatch.setattr(runtime.time, "perf_counter", lambda: next(clock))
    assert time_runtimes(nn.Linear(2, 2), torch.ones(1, 2), [PLAIN]) == {PLAIN: 3}


def test_runtimes_are_measured_in_turns(monkeypatch):
    order: list[Runtime] = []

    def timed(model: nn.Module, x: Tensor, form: Runtime, training: bool) -> float:
        order.append(form)
        return 1.0

    monkeypatch.setattr(runtime, "_pass_seconds", timed)
    time_runtimes(nn.Linear(2, 2), torch.ones(1, 2), [PLAIN, LOW], repeats=2)
    assert order == [PLAIN, LOW] * 3


@pytest.fixture
def clock(monkeypatch) -> Iterator[dict[str, float]]:
    """A machine on which a row takes 0.1 s in float32, and 20 times that in bfloat16.

    "now": seconds that all passes took; "passes": their number.
    """
    clock = {"now": 0.0, "passes": 0}

    def timed(model: nn.Module, x: Tensor, form: Runtime, training: bool) -> float:
        seconds = 0.1 * len(x) * (20 if form.precision == "bfloat16" else 1)
        clock["now"], clock["passes"] = clock["now"] + seconds, clock["passes"] + 1
        return seconds

    runtime.is_bfloat16_slow.cache_clear()
    monkeypatch.setattr(runtime, "_pass_seconds", timed)
    monkeypatch.setattr(runtime.time, "monotonic", lambda: clock["now"])
    yield clock
    runtime.is_bfloat16_slow.cache_clear()


def test_the_trial_of_a_slow_step_is_bounded_and_announced(clock, caplog):
    """32 rows, four passes in three runtimes: 832 s, of which bfloat16 takes 768."""
    x = torch.ones(32, 2)
    with caplog.at_level("INFO", logger="vicinal"):
        best = fastest_runtime(nn.Linear(2, 2), x, [PLAIN, LAST, LOW])
    assert best == PLAIN
    text = "timing training steps to choose dtype and memory format (2 s at most)"
    assert caplog.messages == [text]
    small_convolution = 2 * 2.1  # a warm-up and one pass in each dtype
    first_rows = 2 * 0.2
    assert clock["now"] <= small_convolution + first_rows + runtime.TRIAL_SECONDS


def test_a_fast_step_is_measured_on_the_whole_batch(clock, monkeypatch):
    sizes: list[int] = []
    timed = runtime._pass_seconds

    def fast(model: nn.Module, x: Tensor, form: Runtime, training: bool) -> float:
        sizes.append(len(x))
        return timed(model, x, form, training) / 1000

    monkeypatch.setattr(runtime, "_pass_seconds", fast)
    fastest_runtime(nn.Linear(2, 2), torch.ones(32, 2), [PLAIN, LAST])
    assert sizes[:2] == [2, 2] and set(sizes[2:]) == {32}


@pytest.mark.parametrize(("limit", "rows"), [(2, 5), (0.1, 2), (100, 32)])
def test_affordable_rows_fit_in_the_limit(clock, limit, rows):
    """Two passes in two runtimes at 0.1 s a row: 0.4 s a row, two rows at least."""
    x = torch.ones(32, 2)
    found = affordable_rows(nn.Linear(2, 2), x, [PLAIN, LAST], limit=limit)
    assert found == rows


def test_the_seconds_of_a_row_are_those_of_a_step_by_its_rows(clock):
    x = torch.ones(32, 2)
    assert seconds_per_row(nn.Linear(2, 2), x, PLAIN) == pytest.approx(0.1)
    assert clock["now"] <= 0.4 + 2


@pytest.mark.parametrize(("ratio", "slow"), [(1.9, False), (2.1, True)])
def test_bfloat16_is_left_out_where_a_convolution_is_slower(monkeypatch, ratio, slow):
    runtime.is_bfloat16_slow.cache_clear()

    def timed(model: nn.Module, x: Tensor, form: Runtime, training: bool) -> float:
        return ratio if form.precision == "bfloat16" else 1.0

    monkeypatch.setattr(runtime, "_pass_seconds", timed)
    kept = runtime._without_slow_bfloat16([PLAIN, LAST, LOW])
    assert kept == ([PLAIN, LAST] if slow else [PLAIN, LAST, LOW])
    assert runtime._without_slow_bfloat16([LOW]) == [LOW]
    runtime.is_bfloat16_slow.cache_clear()


def test_measuring_does_not_change_the_model(net):
    net.eval()
    before = copy.deepcopy(net.state_dict())
    x = torch.randn(4, 3, 6, 6)
    best = fastest_runtime(net, x, [PLAIN, LAST, LOW], repeats=1)
    assert replace(best, threads=0) in (PLAIN, LAST, LOW)
    assert all(t.equal(before[name]) for name, t in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert not any(module.training for module in net.modules())
    assert net[0].weight.is_contiguous()


# --- the device ------------------------------------------------------------------


def test_the_cpu_is_always_available():
    assert find_device("cpu") == "cpu"
    assert isinstance(find_device(), str)
    torch.zeros(1, device=find_device())


@pytest.mark.parametrize("name", [None, [], 0, {"cpu": 1}])
def test_a_device_that_is_no_text_is_rejected(name):
    with pytest.raises(SettingError, match=r"device must be a text.*Got .* instead"):
        find_device(name)


@pytest.mark.parametrize("name", ["banana", "", "cuda:99", "meta"])
def test_an_unknown_device_is_rejected(name):
    with pytest.raises(SettingError) as caught:
        find_device(name)
    text = str(caught.value)
    assert text.startswith(f"device {name!r} cannot be used here: ")
    assert text.endswith("Omit --device to use the best one available.")
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
def test_zeros_and_large_numbers_change_the_seed(a, b):
    assert seed_for(*a) != seed_for(*b)


def test_a_seed_depends_on_its_inputs_alone():
    here = seed_for(3, 1, 4)
    assert here == seed_for(*np.array([3, 1, 4]))
    assert here == 9049538323503625462  # whatever was drawn before, and for ever


def test_a_generator_depends_on_its_inputs_alone():
    def draw(*numbers: int) -> Tensor:
        return torch.rand(5, generator=seeded_generator(*numbers))

    first = draw(1, 2)
    torch.rand(3)
    assert draw(1, 2).equal(first) and not draw(1, 3).equal(first)


def test_parameter_counts_by_hand():
    # 3 * 4 + 4, and the batch norm's 4 + 4; its running statistics are not learned
    assert count_parameters(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))) == 24


def test_a_runtime_is_measured_once_on_a_machine(tmp_path):
    path, time_runtimes = tmp_path / "cache" / "forms.json", []

    def measure() -> Runtime:
        time_runtimes.append(1)
        return LOW

    assert [cached_runtime(path, "small", measure) for _ in range(3)] == [LOW] * 3
    assert len(time_runtimes) == 1
    cached_runtime(path, "large", measure)
    assert len(time_runtimes) == 2 and cached_runtime(path, "small", measure) == LOW
    path.write_text("{damaged")
    assert cached_runtime(path, "small", measure) == LOW and len(time_runtimes) == 3
    assert cached_runtime(path, "small", measure) == LOW and len(time_runtimes) == 3


def test_a_runtime_that_cannot_be_cached_is_measured_again(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "forms.json"
    assert cached_runtime(path, "small", lambda: LOW) == LOW


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", '{"small": 3}', '{"other": {"device": 1}}', "\xff"]
)
def test_a_damaged_file_of_runtimes_is_written_again(tmp_path, text):
    path = tmp_path / "runtimes.json"
    path.write_bytes(text.encode("latin-1"))
    assert cached_runtime(path, "small", lambda: LOW) == LOW
    assert cached_runtime(path, "small", lambda: PLAIN) == LOW


def test_one_slow_step_does_not_decide_about_bfloat16(clock, monkeypatch):
    """Other load slows the first five steps in bfloat16; the limit allows many."""
    calls: list[str] = []

    def timed(model: nn.Module, x: Tensor, form: Runtime, training: bool) -> float:
        calls.append(form.precision)
        busy = form.precision == "bfloat16" and calls.count("bfloat16") <= 5
        clock["now"] += 0.001
        return 0.01 if busy else 0.001

    monkeypatch.setattr(runtime, "_pass_seconds", timed)
    assert not runtime.is_bfloat16_slow()
    assert len(calls) <= 2 * 51
