"""Checkpoints: bitwise exact, and only safetensors are opened."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from vicinal.core.storage.checkpoint import (
    check_state,
    load_checkpoint,
    load_tensors,
    pack,
    save_tensors,
    unpack,
    with_prefix,
)
from vicinal.core.storage.schema import Anything, Integer, MapOf, Object
from vicinal.errors import ModelFileError, ResumeError, RunError

sweep = settings(max_examples=30, deadline=None, database=None)
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool]
opened: list[str] = []


def bits(t: Tensor) -> list[int]:
    """The bytes of a tensor, so that NaN and -0 count too."""
    return t.contiguous().reshape(-1).view(torch.uint8).tolist()


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, t in a.items():
        assert (t.dtype, t.shape) == (b[name].dtype, b[name].shape), name
        assert bits(t) == bits(b[name]), name


@sweep
@given(st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=4))
def test_tensors_round_trip_bitwise(tmp_path_factory, dtype, shape):
    path = tmp_path_factory.mktemp("tensors") / "a.safetensors"
    tensors = {"w": (100 * torch.randn(shape)).to(dtype)}
    save_tensors(path, tensors, {})
    assert_same(load_tensors(path)[0], tensors)


def test_special_values_and_memory_formats_round_trip(tmp_path):
    tensors = {
        "strange": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "turned": torch.randn(3, 4).T,
        "spread": torch.ones(1).expand(5),
        "learned": nn.Parameter(torch.randn(3)),
    }
    tensors["the same"] = tensors["learned"]
    save_tensors(tmp_path / "a", tensors, {})
    assert_same(load_tensors(tmp_path / "a")[0], tensors)


def test_metadata_round_trip(tmp_path):
    metadata = {"name": "Öl", "history": [[1, 0.1, None]], "none": {}}
    save_tensors(tmp_path / "a", {}, metadata)
    assert load_tensors(tmp_path / "a") == ({}, metadata)


def test_files_of_other_programs_have_no_metadata(tmp_path):
    save_file({"w": torch.ones(2)}, tmp_path / "a", {"format": "pt"})
    tensors, metadata = load_tensors(tmp_path / "a")
    assert tensors["w"].tolist() == [1, 1] and metadata == {}


def test_loaded_tensors_do_not_change_with_the_file(tmp_path):
    path = tmp_path / "a"
    save_tensors(path, {"w": torch.ones(1000)}, {})
    loaded = load_tensors(path)[0]["w"]
    with path.open("r+b") as file:
        file.seek(-4000, 2)
        file.write(bytes(4000))
    assert loaded.tolist() == [1] * 1000


# --- files that are refused ------------------------------------------------------


class Evil:
    def __reduce__(self):
        return opened.append, ("pickle",)


def test_a_missing_file_and_a_directory_are_rejected(tmp_path):
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(ModelFileError, match=r"There is no file .*Name a"):
            load_tensors(path)


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.bin", "A.PKL", "a.ckpt"])
def test_a_pickle_is_rejected_by_its_suffix(tmp_path, name):
    save_tensors(tmp_path / name, {"w": torch.ones(1)}, {})
    with pytest.raises(ModelFileError, match=r"has the suffix of a pickle.*convert"):
        load_tensors(tmp_path / name)


def test_a_pickle_with_another_suffix_is_not_executed(tmp_path):
    for path in (tmp_path / "a.safetensors", tmp_path / "b.safetensors"):
        if path.name[0] == "a":
            path.write_bytes(pickle.dumps(Evil()))
        else:
            torch.save(Evil(), path)
        with pytest.raises(ModelFileError, match="not a complete safetensors file"):
            load_tensors(path)
    assert opened == []


def test_a_truncated_file_is_rejected(tmp_path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"w": torch.randn(50), "b": torch.randn(3)}, {"epoch": 3})
    whole = path.read_bytes()
    for length in [*range(20), *range(20, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match="not a complete safetensors file"):
            load_tensors(path)


@pytest.mark.parametrize("data", [b"\xff" * 100, b"\2" + bytes(7) + b"{]", b"hello"])
def test_a_file_with_a_damaged_header_is_rejected(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ModelFileError, match="not a complete safetensors file"):
        load_tensors(tmp_path / "a")


def test_damaged_metadata_are_rejected(tmp_path):
    save_file({"w": torch.ones(2)}, tmp_path / "a", {"vicinal": "{half"})
    with pytest.raises(ModelFileError, match="not a complete safetensors file"):
        load_tensors(tmp_path / "a")


def test_a_full_disk_keeps_the_previous_checkpoint(small_disk):
    path = small_disk / "last.safetensors"
    save_tensors(path, {"w": torch.ones(3)}, {"epoch": 1})
    with pytest.raises(RunError, match="disk is full"):
        save_tensors(path, {"w": torch.ones(1_000_000)}, {"epoch": 2})
    assert load_tensors(path)[1] == {"epoch": 1}
    assert [p.name for p in small_disk.iterdir()] == [path.name]


# --- a training state ------------------------------------------------------------


def network(order: torch.memory_format) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 1, 1),
        nn.Flatten(),
        nn.Linear(16, 2),
    )
    net[3].requires_grad_(False)
    return net.to(memory_format=order)  # pyright: ignore[reportCallIssue]


def optimizer(net: nn.Module) -> torch.optim.AdamW:
    learned = [p for p in net.parameters() if p.requires_grad]
    return torch.optim.AdamW(learned, lr=0.01, fused=True)


def steps(net: nn.Module, adam: torch.optim.Optimizer, number: int) -> None:
    x = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    for _ in range(number):
        adam.zero_grad()
        net(x).square().mean().backward()
        adam.step()


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_a_packed_training_continues_bitwise(tmp_path, order):
    net = network(order)
    adam = optimizer(net)
    steps(net, adam, 3)
    save_tensors(tmp_path / "a", pack(net, adam), {})

    again = network(order)
    with torch.no_grad():
        for p in again.parameters():
            p.fill_(7)
    adam_again = optimizer(again)
    unpack(load_tensors(tmp_path / "a")[0], again, adam_again)
    assert_same(pack(again, adam_again), pack(net, adam))
    for p, q in zip(net.parameters(), again.parameters(), strict=True):
        assert p.stride() == q.stride()
        for moment in ("exp_avg", "exp_avg_sq"):
            if p.requires_grad:
                a, b = adam.state[p][moment], adam_again.state[q][moment]
                assert a.stride() == b.stride()

    steps(net, adam, 3)
    steps(again, adam_again, 3)
    assert_same(pack(again, adam_again), pack(net, adam))


def test_names_of_a_packed_state():
    net = nn.Linear(2, 3)
    adam = optimizer(net)
    assert set(pack(net, adam)) == {"model.weight", "model.bias"}
    adam.zero_grad()
    net(torch.ones(1, 2)).sum().backward()
    adam.step()
    moments = {f"optimizer.{k}.{m}" for k in (0, 1) for m in ("exp_avg", "exp_avg_sq")}
    wanted = {"model.weight", "model.bias", "optimizer.0.step", "optimizer.1.step"}
    assert set(pack(net, adam)) == wanted | moments


def test_an_optimizer_without_steps_has_no_moments(tmp_path):
    net = nn.Linear(2, 3)
    fresh = copy.deepcopy(net)
    save_tensors(tmp_path / "a", pack(net, optimizer(net)), {})
    adam = optimizer(fresh)
    unpack(load_tensors(tmp_path / "a")[0], fresh, adam)
    assert not adam.state


def test_tensors_with_a_prefix():
    tensors = {"model.model.w": torch.ones(1), "modelled.w": torch.zeros(1)}
    assert list(with_prefix("model", tensors)) == ["model.w"]
    assert with_prefix("best", tensors) == {}


ANY = MapOf(Anything())


def test_a_flipped_bit_in_a_checkpoint_is_found(tmp_path):
    path, tensors = tmp_path / "a", {"w": torch.randn(3, 2), "n": torch.arange(4)}
    save_tensors(path, tensors, {"epoch": 3, "loss": float("nan")})
    data = path.read_bytes()
    for position in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            found, metadata = load_checkpoint(path, ANY)
        except ResumeError as error:
            assert f"Delete {path}" in str(error) and "--out" in str(error)
        else:  # a bit of the checksum's own name, or of padding
            assert_same(found, tensors)
            assert metadata == {"epoch": 3, "loss": None}
            assert position < len(data) - sum(t.nbytes for t in tensors.values())


@pytest.mark.parametrize("change", ["cut", "empty", "zeros", "another schema"])
def test_a_damaged_checkpoint_names_the_way_out(tmp_path, change):
    path = tmp_path / "last.safetensors"
    save_tensors(path, {"w": torch.ones(100)}, {"epoch": "3"})
    data = path.read_bytes()
    kept = {"cut": len(data) // 2, "empty": 0, "zeros": 8}.get(change, len(data))
    rest = bytes(len(data) - kept) if change == "zeros" else b""
    path.write_bytes(data[:kept] + rest)
    with pytest.raises(ResumeError, match=r"is damaged.*Delete .*last\.safetensors"):
        load_checkpoint(path, Object({"epoch": Integer()}))


def test_a_checkpoint_without_a_checksum_is_read(tmp_path):
    save_tensors(tmp_path / "a", {"w": torch.ones(2)}, {"epoch": 3}, checksum=False)
    assert load_checkpoint(tmp_path / "a", ANY)[1] == {"epoch": 3}


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, '{"a": 1e999}'])
def test_damaged_metadata_is_one_message(tmp_path, text):
    save_file({"w": torch.ones(2)}, tmp_path / "a", {"vicinal": text})
    with pytest.raises(ModelFileError, match="is not a complete safetensors file"):
        load_tensors(tmp_path / "a")


def test_states_of_another_network_are_refused():
    net, other = nn.Linear(2, 3), nn.Linear(2, 4)
    for state in ({}, {f"best.{name}": t for name, t in net.state_dict().items()}):
        check_state("best", state, net)
    state = {f"best.{name}": t for name, t in other.state_dict().items()}
    with pytest.raises(ValueError, match="another network"):
        check_state("best", state, net)
