"""Networks compiled with OpenVINO compute what torch computes."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vicinal.core.compute import openvino
from vicinal.core.compute.openvino import compile_with_openvino, is_installed
from vicinal.images.networks import build

pytestmark = pytest.mark.skipif(not is_installed(), reason="needs the extra `fast`")


def randomised(name: str, **how: object):
    """A network whose batch norms have seen something."""
    torch.manual_seed(0)
    network = build(name, num_classes=3, **how).eval()  # pyright: ignore[reportArgumentType]
    for key, tensor in network.state_dict().items():
        if key.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return network


@pytest.mark.parametrize(
    ("name", "how", "side"),
    [
        ("small", {"image_size": 32, "in_channels": 3}, 32),
        pytest.param(
            "mobilenet_v2", {"padding": "tensorflow"}, 64, marks=pytest.mark.slow
        ),
        pytest.param("mobilenet_v2", {}, 64, marks=pytest.mark.slow),
        pytest.param("resnet18", {}, 64, marks=pytest.mark.slow),
        pytest.param("convnext_atto", {}, 64, marks=pytest.mark.slow),
    ],
)
@torch.inference_mode()
def test_embeddings_equal_torch(name, how, side):
    network = randomised(name, **how)
    x = torch.randn(5, 3, side, side)
    run = compile_with_openvino(network.embed, torch.zeros(2, 3, side, side), "float32")
    wanted = network.embed(x).numpy()
    np.testing.assert_allclose(run(x.numpy()), wanted, atol=1e-3 * np.abs(wanted).max())
    assert run(x[:1].numpy()).shape == (1, wanted.shape[1])  # of any number


@torch.inference_mode()
def test_outputs_are_copies():
    run = compile_with_openvino(lambda x: x * 2, torch.zeros(2, 3), "float32")
    first = run(np.ones((2, 3), np.float32))
    run(np.zeros((2, 3), np.float32))
    assert first.tolist() == [[2.0] * 3] * 2


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param("none", marks=pytest.mark.slow),  # as in images/inference
        "cut",
        pytest.param("noise", marks=pytest.mark.slow),
        pytest.param("no weights", marks=pytest.mark.slow),
    ],
)
def test_a_cached_network_computes_the_same(tmp_path, harm):
    kept, x = tmp_path / "traced" / "name.xml", torch.randn(3, 4)
    layer = torch.nn.Linear(4, 2).requires_grad_(False)
    first = compile_with_openvino(layer, torch.zeros(2, 4), "float32", kept)(x.numpy())
    names = {path.name for path in kept.parent.iterdir()}
    assert names == {"name.xml", "name.bin"}
    if harm == "cut":
        kept.write_bytes(kept.read_bytes()[:100])
    if harm == "noise":
        kept.write_text("?")
    if harm == "no weights":
        kept.with_suffix(".bin").unlink()

    def asked_again(x: torch.Tensor) -> torch.Tensor:
        assert harm != "none"
        return layer(x)

    again = compile_with_openvino(asked_again, torch.zeros(2, 4), "float32", kept)(
        x.numpy()
    )
    assert np.array_equal(first, again)
    np.testing.assert_allclose(first, layer(x).detach().numpy(), atol=1e-6)


@pytest.mark.slow
def test_processes_that_write_the_same_network_have_their_own_files(
    tmp_path, monkeypatch
):
    folders = []
    save_model = openvino.import_openvino().save_model

    def save(model: Any, path: Path, **options: Any) -> None:
        folders.append(path.parent)
        save_model(model, path, **options)

    library = SimpleNamespace(**vars(openvino.import_openvino()) | {"save_model": save})
    monkeypatch.setattr(openvino, "import_openvino", lambda: library)
    kept = tmp_path / "name.xml"
    for _ in range(2):
        kept.unlink(missing_ok=True)
        compile_with_openvino(lambda x: x + 1, torch.zeros(2, 3), "float32", kept)
    assert len(set(folders)) == 2 and kept.exists()
    assert not any(folder.exists() for folder in folders)


def test_an_unwritable_cache_is_ignored(tmp_path):
    (tmp_path / "file").write_text("")
    kept = tmp_path / "file" / "name.xml"
    run = compile_with_openvino(lambda x: x + 1, torch.zeros(2, 3), "float32", kept)
    assert run(np.zeros((1, 3), np.float32)).tolist() == [[1.0] * 3]


DELETED_IN_ANOTHER_THREAD = """
import gc, signal, threading
import numpy as np, torch
from vicinal.core.compute.openvino import compile_with_openvino

said = []
signal.signal(signal.SIGINT, lambda *_: said.append("heard"))
held = [compile_with_openvino(torch.nn.Linear(4, 2), torch.zeros(2, 4), "float32")]
held[0](np.zeros((3, 4), np.float32))
other = threading.Thread(target=lambda: (held.clear(), gc.collect()))
other.start()
other.join()
signal.raise_signal(signal.SIGINT)
print(*said)
"""


@pytest.mark.slow
def test_an_interrupt_after_another_thread_deleted_a_network():
    """The signal stack that OpenVINO installs must outlive every network."""
    words = [sys.executable, "-c", DELETED_IN_ANOTHER_THREAD]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "heard"), done.stderr
