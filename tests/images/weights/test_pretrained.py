"""Weights by name, file, folder and timm: what is read, and what is refused."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import vicinal
from vicinal.core.compute.batchnorm_folding import (
    find_conv_bn_pairs,
    fold_batchnorm,
    frozen_batchnorm,
)
from vicinal.core.storage import download
from vicinal.core.storage.files import sha256
from vicinal.errors import (
    MissingExtraError,
    ModelFileError,
    RunError,
    SettingError,
    VicinalError,
)
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.networks import NETWORKS, architecture, build, timm_network
from vicinal.images.pretrained_classifier import load_pretrained
from vicinal.images.regressor import ImageRegressor
from vicinal.images.training.fine_tuning import is_head_block
from vicinal.images.training.initialization import Initialization
from vicinal.images.weights import pretrained, state_dict_names
from vicinal.images.weights.preprocessing import IMAGENET
from vicinal.images.weights.pretrained import (
    LoadedWeights,
    cached_weights,
    load_weights,
)
from vicinal.images.weights.registry import TIMM_NETWORKS, WEIGHTS, Weights
from vicinal.images.weights.transfer import read_network

SHARED = Path(__file__).parents[3].parent / "shared" / "weights"
QUICK: dict[str, Any] = {
    "epochs": 1,
    "augment": "none",
    "deterministic": True,
    "cache": False,
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path) -> None:
    """Without a network, and with no other program's cache."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_ENDPOINT", raising=False)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build("resnet20", num_classes=7)


@pytest.fixture
def file(network, tmp_path) -> Path:
    """A file of weights that is in no table."""
    path = tmp_path / "body.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture
def row(file, monkeypatch) -> Weights:
    """The same file as a row of the table, `tiny`."""
    tiny = replace(
        WEIGHTS["resnet20_cifar10"],
        repository="somebody/tiny",
        revision="0123456789",
        file="model.safetensors",
        sha256=sha256(file),
        bytes=file.stat().st_size,
        classes=7,
    )
    monkeypatch.setitem(WEIGHTS, "tiny", tiny)
    return tiny


def place_in_cache(row: Weights, file: Path, cache: Path) -> Path:
    """Put a file where it would be fetched to."""
    assert row.hub_file is not None
    place = row.hub_file.path(cache / "weights")
    place.parent.mkdir(parents=True)
    place.write_bytes(file.read_bytes())
    return place


def weights_equal(source: LoadedWeights, network: torch.nn.Module) -> bool:
    """Whether the weights are a network's, to the last bit."""
    classes = source.classes or 1
    own = build(source.backbone, num_classes=classes, **source.options)
    own.load_state_dict(source.tensors)
    state = network.state_dict()
    return all(t.equal(state[name]) for name, t in own.state_dict().items())


# --- the table -----------------------------------------------------------------------


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_row_is_complete(name):
    row = WEIGHTS[name]
    assert row.parameters == NETWORKS[row.backbone].parameters
    assert row.classes == NETWORKS[row.backbone].num_classes
    assert row.preprocessing.image_size == NETWORKS[row.backbone].image_size
    assert row.options.keys() <= set(NETWORKS[row.backbone].options)
    assert row.repository in row.origin and row.licence in row.origin
    assert f"{row.top1} % top-1 ({row.published})" in row.origin
    if row.sha256 is not None:
        assert len(bytes.fromhex(row.sha256)) == 32
    if row.hub_file is not None and row.revision != "main":
        assert len(bytes.fromhex(row.revision)) == 20 and row.bytes is not None
        # float32, and some more for the header and batch norm's statistics
        assert 1 < row.bytes / (4 * row.parameters) < 1.02
    assert row.sha256 or row.revision == "main"


def test_a_name_is_downloaded_and_read(row, file, network, own_cache):
    assert cached_weights() == []
    place_in_cache(row, file, own_cache)
    assert cached_weights() == ["tiny"]
    source = load_weights("tiny")
    assert weights_equal(source, network)
    assert source.backbone == "resnet20" and source.classes == 7
    assert source.preprocessing == row.preprocessing
    assert source.sha256 == row.sha256
    assert source.origin.startswith(
        "tiny: huggingface.co/somebody/tiny @ 01234567, BSD"
    )
    assert load_weights("tiny", "resnet20").sha256 == row.sha256
    with pytest.raises(SettingError, match=r"tiny holds weights of resnet20, and --ba"):
        load_weights("tiny", "resnet18")


def test_a_name_has_priority_over_a_folder(row, file, own_cache, monkeypatch, tmp_path):
    place_in_cache(row, file, own_cache)
    monkeypatch.chdir(tmp_path)
    Path("tiny").mkdir()
    assert load_weights("tiny").origin.startswith("tiny: huggingface")
    with pytest.raises(ModelFileError, match=r"tiny is not a model directory"):
        load_weights("./tiny")


def test_offline_the_error_lists_cached_weights_and_the_file_to_download(
    row, file, own_cache
):
    place = own_cache / "weights" / "timm--resnet18.tv_in1k"
    with pytest.raises(RunError) as caught:
        load_weights("resnet18")
    messages = str(caught.value)
    assert (
        messages.startswith("resnet18 could not be downloaded.")
        and "HF_HUB_OFFLINE" in messages
    )
    assert (
        "save https://huggingface.co/timm/resnet18.tv_in1k/resolve/bbd144b" in messages
    )
    assert f"as {place}" in messages and "--weights FILE" in messages
    assert messages.endswith("Weights on disk: none of the table.")
    place_in_cache(row, file, own_cache)
    with pytest.raises(RunError, match="Weights on disk: tiny"):
        load_weights("convnext_atto")


def test_a_failed_connection_is_reported(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0)
    messages: list[str] = []
    with pytest.raises(RunError, match=r"resnet34 could not be downloaded.*Weights on"):
        load_weights("resnet34", log=messages.append)
    assert messages[0].startswith("Downloading http://127.0.0.1:1/timm/resnet34")


def test_a_damaged_file_is_not_used(row, file, own_cache):
    place = place_in_cache(row, file, own_cache)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    place.write_bytes(data)
    with pytest.raises(RunError, match=r"tiny could not be downloaded.*is damaged"):
        load_weights("tiny")


def test_a_model_file_error_is_passed_on(monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise ModelFileError("not the file that was wanted")

    monkeypatch.setattr(pretrained, "fetch", fails)
    with pytest.raises(ModelFileError, match=r"^not the file that was wanted$"):
        load_weights("resnet50")


@pytest.mark.parametrize("name", ["mobilenet_v2_tensorflow", "resnet20_cifar10"])
def test_weights_outside_the_hub_must_be_given_as_a_file(name):
    with pytest.raises(
        ModelFileError, match=r"is not on the hub.*--weights FILE.*content"
    ) as e:
        load_weights(name)
    assert str(WEIGHTS[name].sha256) in str(e.value)


def test_a_file_of_the_table_is_recognized_by_its_sha256(row, file, network):
    source = load_weights(str(file))
    assert weights_equal(source, network)
    assert source.preprocessing == row.preprocessing
    assert source.origin.startswith("tiny: huggingface.co/somebody/tiny")
    with pytest.raises(SettingError, match=r"body\.safetensors \(tiny\) holds weights"):
        load_weights(str(file), "small")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "file", "options"),
    [
        (
            "mobilenet_v2_tensorflow",
            "mobilenet_v2_1.0_224.safetensors",
            {"padding": "tensorflow"},
        ),
        ("resnet20_cifar10", "resnet20_cifar10.safetensors", {}),
    ],
)
def test_the_real_files_are_recognized(name, file, options):
    if not (SHARED / file).exists():
        pytest.skip("the real weights are not there: shared/weights/")
    source = load_weights(str(SHARED / file))
    row = WEIGHTS[name]
    assert source.origin.startswith(f"{name}: github.com/{row.repository}")
    assert source.options == options and source.classes == row.classes
    assert source.preprocessing == row.preprocessing
    network = build(row.backbone, num_classes=row.classes, **options)
    network.load_state_dict(source.tensors)


@pytest.mark.parametrize("name", ["resnet81", "", "mobilenetv2", "timm/resnet18"])
def test_unknown_names_are_errors(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        VicinalError, match=r"There (is|are) no (weights|file)"
    ) as caught:
        load_weights(name)
    if name == "resnet81":
        assert "Did you mean 'resnet18'" in str(caught.value)
    with pytest.raises(SettingError, match=r"'resnet81' instead. Did you mean"):
        load_weights("resnet18", "resnet81")


# --- files ---------------------------------------------------------------------------


def test_a_file_is_recognized_and_assumptions_are_stated(file, network):
    source = load_weights(str(file))
    assert weights_equal(source, network) and source.classes == 7
    assert source.backbone == "resnet20" and source.options == {}
    assert source.preprocessing == replace(IMAGENET, image_size=32, store_size=32)
    assert source.sha256 == sha256(file)
    assert "the preprocessing of most ImageNet weights" in source.origin
    assert "body.safetensors.json" in source.origin
    bare = file.parent / "bare"
    bare.mkdir()
    file.rename(bare / "model.safetensors")
    assert weights_equal(load_weights(str(bare), "resnet20"), network)


def test_grey_images_do_not_use_the_imagenet_mean(tmp_path):
    grey = build("resnet18", num_classes=2, in_channels=1)
    save_file(grey.state_dict(), tmp_path / "grey.safetensors")
    source = load_weights(str(tmp_path / "grey.safetensors"))
    assert source.preprocessing == Preprocessing(224, 256, channels=1)


def test_a_network_built_for_one_image_size(tmp_path):
    small = build("small", num_classes=3, in_channels=1, image_size=8)
    save_file(small.state_dict(), tmp_path / "small.safetensors")
    source = load_weights(str(tmp_path / "small.safetensors"), "small")
    assert source.classes == 3 and source.preprocessing.channels == 1
    beside = tmp_path / "small.safetensors.json"
    beside.write_text('{"image_size": 8}')
    source = load_weights(str(tmp_path / "small.safetensors"), "small")
    assert source.preprocessing == Preprocessing(8, 8, channels=1)
    assert source.origin.endswith("(set another in small.safetensors.json)")
    beside.write_text('{"image_size": 28}')
    with pytest.raises(SettingError, match="do not fit small"):
        load_weights(str(tmp_path / "small.safetensors"), "small")


def test_weights_that_do_not_fit_as_a_whole_are_one_message(tmp_path):
    path = tmp_path / "small.safetensors"
    tensors = build("small", num_classes=3, in_channels=1).half().state_dict()
    save_file(tensors, path)
    pixels = np.zeros((1, 28, 28), np.uint8)
    assert load_pretrained(str(path)).predict(pixels).size == 1
    for name, tensor in (("fc.bias", torch.ones(4)), ("fc.weight", torch.ones(3, 9))):
        save_file(tensors | {name: tensor}, path)
        message = rf"do not fit small for images of 28 pixels: .*{name}"
        with pytest.raises(ModelFileError, match=message):
            load_pretrained(str(path))


def test_images_are_as_large_as_the_network_needs(tmp_path):
    network = build("convnext_atto", num_classes=3)
    save_file(network.state_dict(), tmp_path / "body.safetensors")
    (tmp_path / "body.safetensors.json").write_text('{"image_size": 16}')
    with pytest.raises(ModelFileError, match="image_size must be 32 to 2048 pixels"):
        load_weights(str(tmp_path / "body.safetensors"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_file_of_weights_that_are_not_finite_is_refused(tmp_path, value):
    tensors = build("small", num_classes=3, in_channels=1).state_dict()
    tensors["stages.0.bn.bias"][0] = value
    save_file(tensors, tmp_path / "body.safetensors")
    for read in (load_weights, read_network):
        with pytest.raises(ModelFileError, match=r"1 of \d+ numbers of stages\.0\.bn"):
            read(str(tmp_path / "body.safetensors"))


def test_a_sidecar_file_sets_the_preprocessing(tmp_path):
    network = build("mobilenet_v2", num_classes=5)
    path = tmp_path / "mine.safetensors"
    save_file(network.state_dict(), path)
    messages = {"mean": [0.5, 0.4, 0.3], "std": [1, 0.5, 0.25], "image_size": 160}
    messages |= {"store_size": 200, "resize": "pad", "padding": "tensorflow"}
    path.with_name("mine.safetensors.json").write_text(
        json.dumps(messages | {"norm_eps": 0.001})
    )
    source = load_weights(str(path))
    assert source.options == {"padding": "tensorflow", "norm_eps": 0.001}
    assert source.preprocessing == Preprocessing(
        160, 200, resize="pad", mean=(0.5, 0.4, 0.3), std=(1, 0.5, 0.25)
    )
    assert source.origin.endswith("preprocessing from mine.safetensors.json")
    assert weights_equal(source, network)


def test_values_missing_in_the_sidecar_file_are_assumed(file):
    beside = file.with_name("body.safetensors.json")
    beside.write_text('{"image_size": 64}')
    source = load_weights(str(file))
    assert source.preprocessing == replace(IMAGENET, image_size=64, store_size=73)
    assert "image_size from body.safetensors.json; assuming" in source.origin


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read as JSON"),
        ("[1]", r"must hold an object, \{\.\.\.\}\. Got \[1\]"),
        ('{"maen": [1, 1, 1]}', "has an unknown key, 'maen'. Did you mean 'mean'"),
        ('{"mean": [1, 1]}', r"mean must be a list of 3 numbers\. Got \[1, 1\]"),
        ('{"mean": 0.5}', "mean must be a list of 3 numbers"),
        ('{"std": [1, 0, 1]}', "std must be a list of 3 numbers above 0"),
        ('{"std": ["a", 1, 1]}', "std must be a list of 3 numbers above 0"),
        ('{"std": [1, 1e-50, 1]}', "std must be a list of 3 numbers above 0"),
        ('{"mean": [1, 1e308, 1]}', "mean must be a list of 3 numbers"),
        ('{"image_size": 224.5}', "image_size must be 8 to 2048 pixels"),
        ('{"image_size": true}', "image_size must be 8 to 2048 pixels"),
        ('{"store_size": 16}', r"store_size must be image_size \(32\) or more"),
        ('{"resize": "zoom"}', "resize must be crop or squish or pad. Got 'zoom'"),
        ('{"padding": "tensorflow"}', "has an unknown key, 'padding'"),
    ],
)
def test_invalid_sidecar_files_are_errors(text, reason, file):
    file.with_name("body.safetensors.json").write_text(text)
    with pytest.raises(ModelFileError, match=rf"body\.safetensors\.json.*{reason}"):
        load_weights(str(file))


def test_weights_of_another_network_are_refused_with_a_table(file):
    with pytest.raises(SettingError) as caught:
        load_weights(str(file), "resnet18")
    lines = str(caught.value).splitlines()
    assert lines[0].endswith(
        "body.safetensors do not fit resnet18. 145 tensors differ:"
    )
    assert lines[1].split() == ["tensor", "expected", "got"]
    assert lines[2].split("  ")[0] == "conv1.weight"
    assert lines[-2].startswith("and ") and lines[-1].startswith(
        "Choose the --backbone"
    )


def test_a_file_of_an_unknown_network_is_refused(tmp_path):
    path = tmp_path / "strange.safetensors"
    save_file({f"layer.{k}": torch.ones(2) for k in range(5)}, path)
    with pytest.raises(
        SettingError, match=r"named layer\.0, layer\.1, layer\.2 \.\.\."
    ):
        load_weights(str(path))


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.bin"])
def test_a_pickle_is_refused_by_name(name, tmp_path):
    torch.save({"conv1.weight": torch.ones(2)}, tmp_path / name)
    with pytest.raises(ModelFileError, match=rf"{name} has the suffix of a pickle"):
        load_weights(str(tmp_path / name))


@pytest.mark.parametrize("cut", [0, 5, 1000, -1])
def test_a_truncated_file_is_refused(cut, file):
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelFileError, match="is not a complete safetensors file"):
        load_weights(str(file))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ModelFileError, match=r"There is no file .*gone\.safetensors"):
        load_weights(str(tmp_path / "gone.safetensors"))


# --- folders of models ---------------------------------------------------------------


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 8, 8)).astype(np.uint8)


def test_a_model_folder_describes_itself(tmp_path):
    model = ImageClassifier(**QUICK).fit(images(), ["a", "b", "c"] * 8)
    source = load_weights(str(model.save(tmp_path / "run")))
    assert source.backbone == "small" and source.classes == 3
    assert source.preprocessing == model.preprocessing_
    state = model.network_.state_dict()
    assert all(t.equal(state[name]) for name, t in source.tensors.items())
    assert source.sha256 == sha256(tmp_path / "run" / "model.safetensors")
    assert (
        source.origin == f"{tmp_path}/run: small, trained by vicinal (ImageClassifier)"
    )
    with pytest.raises(SettingError, match="holds weights of small, and --backbone is"):
        load_weights(str(tmp_path / "run"), "resnet18")
    model = ImageRegressor(**QUICK).fit(images(), np.arange(24.0))
    assert load_weights(str(model.save(tmp_path / "numbers"))).classes is None


def test_a_model_of_another_domain_is_refused(tmp_path):
    model = ImageClassifier(**QUICK).fit(images(), ["a", "b", "c"] * 8)
    folder = model.save(tmp_path / "run")
    predicted = json.loads((folder / "model.json").read_text())
    predicted |= {"estimator": "NodeClassifier", "network": {"layers": 2}}
    (folder / "model.json").write_text(json.dumps(predicted))
    with pytest.raises(
        ModelFileError, match=r"model directory of images\. Got one of NodeClassifier"
    ):
        load_weights(str(folder))


# --- timm ----------------------------------------------------------------------------


def config(architecture: str, **settings: Any) -> SimpleNamespace:
    """timm's description of weights, as its `get_pretrained_cfg` gives it."""
    usual: dict[str, Any] = {
        "architecture": architecture,
        "hf_hub_id": f"timm/{architecture}.x_in1k",
        "hf_hub_filename": None,
        "input_size": (3, 224, 224),
        "crop_pct": 0.875,
        "crop_mode": "center",
        "interpolation": "bicubic",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "num_classes": 1000,
        "license": "apache-2.0",
        "fixed_input_size": False,
        "paper_name": None,
    }
    return SimpleNamespace(**usual | settings)


class Toy(nn.Module):
    """A network as timm writes them: a batch norm that also activates, then a head."""

    def __init__(self, num_classes: int, in_chans: int, img_size: int = 224) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(in_chans, 6, 3, 2)
        self.bn1 = NormAndRelu(6)
        self.place = nn.Parameter(torch.full((img_size,), 0.5))
        self.fc = nn.Linear(6, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        return self.bn1(self.conv_stem(x)) * self.place.mean()

    def forward_head(self, maps: Tensor, pre_logits: bool = False) -> Tensor:
        z = maps.mean((2, 3))
        return z if pre_logits else self.fc(z)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        return self.fc

    def group_matcher(self, coarse: bool) -> dict[str, int]:
        return {"conv_stem": 0, "bn1": 0, "place": 0, "fc": 1}


class NormAndRelu(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).relu()


class Odd(Toy):
    """One that ends in a convolution."""

    def get_classifier(self) -> nn.Module:
        return self.conv_stem


class Late(Toy):
    """One whose first tensors are of places, four-dimensional, as VOLO's are."""

    def __init__(self, num_classes: int, in_chans: int, img_size: int = 224) -> None:
        super().__init__(num_classes, in_chans, img_size)
        self.place = nn.Parameter(torch.ones(1, 8, 8, 5))


class Halving(Toy):
    """One that takes images of an even number of windows only, as maxvit does."""

    def forward_features(self, x: Tensor) -> Tensor:
        assert x.shape[-1] % 32 == 0, "height must be divisible by window"
        return super().forward_features(x)


def group_parameters(network: nn.Module, groups: dict[str, int]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for name, _ in network.named_parameters():
        found.setdefault((groups[name.split(".")[0]],), []).append(name)
    return found


@pytest.fixture
def timm(monkeypatch) -> dict[str, SimpleNamespace]:
    """A timm that knows the weights and networks of this dictionary."""
    known = {
        "resnet18.x_in1k": config("resnet18", crop_pct=0.95),
        "toy.x_in1k": config("toy", input_size=(3, 32, 32), crop_pct=1.0),
        "resnet34.x_in1k": config("resnet34", hf_hub_id=None),
    }
    known |= {name: known[f"{name}.x_in1k"] for name in ("toy", "resnet18")}
    known["odd"] = config("odd", input_size=(3, 32, 32), fixed_input_size=True)
    known["halving"] = config("halving", input_size=(3, 64, 64))
    kinds = {"toy": Toy, "odd": Odd, "late": Late, "halving": Halving}

    def get_pretrained_cfg(name: str) -> SimpleNamespace | None:
        if name.endswith(".nonsense"):
            raise RuntimeError("Invalid pretrained tag (nonsense).")
        return known.get(name)

    def create_model(name: str, num_classes: int = 1000, in_chans: int = 3, **more):
        return kinds[name.split(".")[0]](num_classes, in_chans, **more)

    library: Any = ModuleType("timm")
    library.get_pretrained_cfg = get_pretrained_cfg
    library.list_pretrained = library.list_models = lambda: list(known)
    library.create_model = create_model
    models: Any = ModuleType("timm.models")
    models.group_parameters = group_parameters
    monkeypatch.setitem(sys.modules, "timm", library)
    monkeypatch.setitem(sys.modules, "timm.models", models)
    for kept in (timm_network.count_parameters, state_dict_names.meta_network):
        kept.cache_clear()
    return known


@pytest.fixture
def toy(timm, own_cache) -> Toy:
    """A network of timm whose weights are in the cache."""
    torch.manual_seed(0)
    network = Toy(1000, 3)
    file = own_cache / "weights/timm--toy.x_in1k/main/model.safetensors"
    file.parent.mkdir(parents=True)
    save_file(network.state_dict(), file)
    return network


def test_any_timm_network_can_be_loaded_by_name(toy):
    source = load_weights("timm:toy.x_in1k")
    assert (source.backbone, source.classes) == ("timm:toy", 1000)
    assert source.preprocessing == replace(IMAGENET, image_size=32, store_size=32)
    network = build("timm:toy", num_classes=1000).eval()
    network.load_state_dict(source.tensors)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(network(x), toy.eval()(x))
    torch.testing.assert_close(toy.fc(network.embed(x)), toy(x))
    assert network.head_name == "network.fc" and network.embedding_size == 6
    first, last = network.blocks()
    assert set(first) == {
        "network.place",
        *(f"network.{a}.{b}" for a in ("conv_stem", "bn1") for b in ("weight", "bias")),
    }
    assert last == ["network.fc.weight", "network.fc.bias"]
    row = architecture("timm:toy")
    expected = sum(p.numel() for p in Toy(1000, 3).parameters())
    assert (row.parameters, row.image_size, row.in_channels) == (expected, 32, 3)


def test_training_from_timm_weights(toy, tmp_path):
    x = np.random.default_rng(0).integers(0, 90, (60, 40, 40, 3), np.uint8)
    y = np.arange(60) % 2
    x[y == 1] += 100
    model = ImageClassifier(**QUICK, weights="timm:toy.x_in1k", val_fraction=0.3)
    model.fit(x, y)
    assert model.backbone_ == "timm:toy" and model.score(x, y) > 0.9
    again = vicinal.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(again.predict_proba(x), model.predict_proba(x), 1e-4)
    frozen = ImageClassifier(**QUICK, weights=str(tmp_path / "model"), freeze="all")
    assert frozen.fit(x, y).backbone_ == "timm:toy"


@pytest.mark.parametrize("named", ["timm:toy", "timm:toy.x_in1k"])
def test_a_saved_model_with_a_timm_network_can_be_loaded(named, toy, tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (24, 40, 40, 3), np.uint8)
    own = ImageClassifier(**QUICK, backbone=named).fit(x, np.arange(24) % 2)
    folder = str(own.save(tmp_path / "model"))
    for again in (named, "timm:toy", None):
        assert load_weights(folder, again).backbone in ("timm:toy", named)
    with pytest.raises(SettingError, match="and --backbone is small"):
        load_weights(folder, "small")


def test_a_file_of_timm_weights_needs_the_network_name(toy, timm, own_cache):
    file = next((own_cache / "weights").rglob("model.safetensors"))
    source = load_weights(str(file), "timm:toy")
    assert source.backbone == "timm:toy" and source.preprocessing.image_size == 32
    with pytest.raises(
        SettingError, match=r"the weights of a known network.*timm:NAME"
    ):
        load_weights(str(file))
    with pytest.raises(SettingError, match=r"has no network named 'toi'.*mean toy"):
        load_weights(str(file), "timm:toi")


def test_a_file_of_timm_weights_uses_timm_preprocessing(toy, timm, own_cache):
    timm["toy.x_in1k"].mean, timm["toy.x_in1k"].crop_pct = (0.5, 0.4, 0.3), 0.8
    file = next((own_cache / "weights").rglob("model.safetensors"))
    source = load_weights(str(file), "timm:toy.x_in1k")
    assert source.backbone == "timm:toy"
    assert source.preprocessing.mean == (0.5, 0.4, 0.3)
    sizes = source.preprocessing.image_size, source.preprocessing.store_size
    assert sizes == (32, 40)
    assert "preprocessing of timm's toy.x_in1k" in source.origin
    beside = file.with_name("model.safetensors.json")
    beside.write_text('{"image_size": 64, "std": [1, 1, 1]}')
    messages = load_weights(str(file), "timm:toy").preprocessing
    assert (messages.image_size, messages.store_size) == (64, 80)
    assert messages.mean == (0.5, 0.4, 0.3) and messages.std == (1, 1, 1)
    origin = load_weights(str(file), "timm:toy").origin
    assert "image_size, std from model.safetensors.json; preprocessing" in origin


@pytest.mark.parametrize("named", ["timm:toy", "timm:toy.x_in1k"])
def test_backbone_may_name_the_network_of_timm_weights(named, toy):
    assert load_weights("timm:toy.x_in1k", named).backbone == "timm:toy"
    model = ImageClassifier(backbone=named, weights="timm:toy.x_in1k")
    assert Initialization(model.validate_settings()).backbone == "timm:toy"


@pytest.mark.parametrize(
    "named",
    [
        *(
            pytest.param(k, marks=pytest.mark.slow)
            for k in ("timm:resnet18", "timm:resnet18.x_in1k")
        ),
        "resnet18",
    ],
)
def test_a_timm_network_implemented_here_has_two_names(
    named, timm, own_cache, tmp_path
):
    network = build("resnet18", num_classes=1000)
    file = tmp_path / "body.safetensors"
    save_file(network.state_dict(), file)
    source = load_weights(str(file), named)
    assert source.backbone == "resnet18" and weights_equal(source, network)
    kept = own_cache / "weights/timm--resnet18.x_in1k/main/model.safetensors"
    kept.parent.mkdir(parents=True)
    save_file(network.state_dict(), kept)
    assert load_weights("timm:resnet18.x_in1k", named).backbone == "resnet18"
    with pytest.raises(SettingError, match="holds weights of resnet18, and --backbone"):
        load_weights("timm:resnet18.x_in1k", "resnet34")


def test_timm_weights_without_a_head(toy, timm, own_cache):
    timm["toy.x_in1k"].num_classes = 0
    source = load_weights("timm:toy.x_in1k")
    assert (source.classes, source.backbone) == (None, "timm:toy")
    x = np.random.default_rng(0).integers(0, 255, (12, 40, 40, 3), np.uint8)
    how = {**QUICK, "weights": "timm:toy.x_in1k", "freeze": "all"}
    model = ImageClassifier(**how).fit(x, np.arange(12) % 2)
    assert model.network_.head.out_features == 2


def test_grey_weights_of_a_network_without_a_convolutional_stem(timm, own_cache):
    timm["late"] = config("late", input_size=(3, 32, 32))
    network = Late(2, 1)
    file = own_cache / "late.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), file)
    source = load_weights(str(file), "timm:late")
    assert source.preprocessing.channels == 1
    timm["late"].crop_pct = 0.8
    sizes = load_weights(str(file), "timm:late").preprocessing
    assert (sizes.image_size, sizes.store_size, len(sizes.mean)) == (32, 40, 1)


def test_unsupported_timm_networks_are_errors(timm):
    with pytest.raises(SettingError, match=r"timm:odd must end in a dense layer"):
        build("timm:odd", num_classes=2)
    assert build("timm:toy", num_classes=2, image_size=64).embedding_size == 6
    timm["toy"].fixed_input_size = True
    sized: Any = build("timm:toy", num_classes=2, image_size=64)
    assert len(sized.network.place) == 64
    with pytest.raises(SettingError, match="image_size must be 32 pixels or more"):
        ImageClassifier(**QUICK, backbone="timm:toy", image_size=16).fit(
            np.zeros((4, 16, 16, 3), np.uint8), [0, 1, 0, 1]
        )


def test_an_image_size_that_fails_in_the_forward_pass_is_refused(timm):
    assert build("timm:halving", num_classes=2, image_size=96).training
    with pytest.raises(
        SettingError, match=r"does not take images of 100 pixels \(height must be"
    ):
        build("timm:halving", num_classes=2, image_size=100)


def test_a_network_of_fixed_image_size_refuses_others(timm, monkeypatch):
    def refuses(name: str, img_size: int | None = None, **_: object) -> None:
        raise TypeError("got an unexpected keyword argument 'img_size'")

    timm["toy"].fixed_input_size = True
    assert architecture("timm:toy").parameters > 0
    monkeypatch.setattr(sys.modules["timm"], "create_model", refuses)
    with pytest.raises(
        SettingError, match=r"image_size must be 32 pixels for timm:toy"
    ):
        build("timm:toy", num_classes=2, image_size=64)
    with pytest.raises(TypeError):  # that is another matter
        build("timm:toy", num_classes=2)


def test_timm_weights_use_timm_preprocessing(timm, own_cache):
    network = build("resnet18", num_classes=1000)
    file = own_cache / "weights/timm--resnet18.x_in1k/main/model.safetensors"
    file.parent.mkdir(parents=True)
    save_file(network.state_dict(), file)
    source = load_weights("timm:resnet18.x_in1k")
    assert weights_equal(source, network)
    assert source.preprocessing == replace(IMAGENET, store_size=235)
    assert source.sha256 == sha256(file)
    assert source.origin == (
        "timm:resnet18.x_in1k: huggingface.co/timm/resnet18.x_in1k @ main, apache-2.0"
    )
    timm["resnet18.x_in1k"].crop_mode = "squash"
    assert load_weights("timm:resnet18.x_in1k").preprocessing.resize == "squish"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet18.y_in1k", r"has no weights named 'resnet18.y_in1k'. Did you mean"),
        ("resnet18.nonsense", r"has no weights named .*timm\.list_pretrained\(\)"),
        ("toi", r"has no network named 'toi'. Did you mean toy.*list_models\(\)"),
        ("resnet34.x_in1k", "timm has no weights for resnet34.x_in1k on the hub"),
    ],
)
def test_unknown_timm_weights_are_errors(name, reason, timm):
    with pytest.raises(SettingError, match=reason):
        load_weights(f"timm:{name}")


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'timm'"),
        RuntimeError("operator torchvision::nms does not exist"),
    ],
)
def test_without_timm_the_error_says_how_to_install_it(error, monkeypatch):
    def fails(name: str) -> None:
        raise error

    monkeypatch.setattr(timm_network, "import_module", fails)
    with pytest.raises(MissingExtraError, match="timm:vit_tiny needs timm"):
        build("timm:vit_tiny", num_classes=2)
    with pytest.raises(MissingExtraError, match=r"pip install 'vicinal\[timm\]'"):
        load_weights("timm:resnet18")


def test_timm_networks_map_to_the_table_of_networks():
    assert set(TIMM_NETWORKS.values()) <= NETWORKS.keys()


REAL = (
    "efficientnet_b0 mobilenetv3_small_100 vit_tiny_patch16_224 densenet121 nf_resnet26"
)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL.split())
def test_real_timm_networks_give_the_same_logits(name):
    try:
        library: Any = importlib.import_module("timm")
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm cannot be imported: {error}")
    torch.manual_seed(0)
    own = library.create_model(name, num_classes=7).eval()
    network = build(f"timm:{name}", num_classes=7).eval()
    tensors = state_dict_names.convert_names(own.state_dict(), f"timm:{name}")
    assert state_dict_names.find_mismatches(tensors, f"timm:{name}") == []
    network.load_state_dict(tensors)
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        expected = own(x)
        torch.testing.assert_close(network(x), expected)
        torch.testing.assert_close(network.head(network.embed(x)), expected)
        torch.testing.assert_close(
            fold_batchnorm(network, x)(x), expected, rtol=1e-4, atol=1e-4
        )
        with frozen_batchnorm(network, find_conv_bn_pairs(network, x)):
            torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-4)
    blocks = network.blocks()
    names = [name for block in blocks for name in block]
    assert sorted(names) == sorted(n for n, _ in network.named_parameters())
    assert len(blocks) > 8 and is_head_block(network, blocks[-1])
    assert not any(
        is_head_block(network, [name]) for block in blocks[:-1] for name in block
    )
