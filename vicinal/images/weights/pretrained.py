"""Trained weights: a table of them by name, and whatever else --weights may name.

=======================  ==============================================================
resnet18                 a row of WEIGHTS: fetched from the hub once, and verified
timm:resnet18.a1_in1k    weights that timm lists (the extra `timm`)
runs/first               the folder of a model of vicinal
body.safetensors         a file with torchvision's, timm's or our names for its tensors
=======================  ==============================================================

A file of the table is known by its content, whatever it is called. How the pictures
were prepared that another one was trained on, `prepared` finds out.

Weights that cannot be had are an error: random ones never take their place.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from vicinal.core.estimators.estimator import MODEL_JSON, MODEL_TENSORS, read_model
from vicinal.core.storage.checkpoint import Tensors, load_tensors
from vicinal.core.storage.download import HubFile, Tell, fetch, kept
from vicinal.core.storage.files import sha256
from vicinal.core.storage.run_folder import is_run
from vicinal.errors import (
    ModelFileError,
    RunError,
    SettingError,
    near_names,
)
from vicinal.images.data.cache import cache_folder
from vicinal.images.data.decode import Preprocessing
from vicinal.images.networks import NETWORKS, architecture
from vicinal.images.networks.mobilenet import Padding
from vicinal.images.networks.timm_network import PREFIX, timm_config
from vicinal.images.weights import state_dict_names as key_names
from vicinal.images.weights.preprocessing import (
    IMAGENET,
    how_known,
    prepared,
    prepared_for,
    told_beside,
)
from vicinal.images.weights.transfer import read_source


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One row of the table."""

    backbone: str
    """the network, as `networks.build` knows it"""

    repository: str
    """owner and name, on the Hugging Face hub or else on GitHub"""

    revision: str
    """the commit; `main` where none is known"""

    file: str | None = "model.safetensors"
    """its name on the hub; None: it is on no hub, and known by its content"""

    sha256: str | None
    """of the file; None: none is known, and the hub's own counts"""

    bytes: int | None = None
    """size of the file, where it is known"""

    preprocessing: Preprocessing = IMAGENET
    """how the pictures were prepared that it was tested on"""

    interpolation: str
    """how their authors resized; here it is antialiased bilinear for all"""

    padding: Padding | None = None
    """where convolutions of stride 2 pad; None: as the network does by itself"""

    classes: int = 1000
    """classes that the head tells apart; 0: there is no head"""

    licence: str
    """SPDX name"""

    top1: float | None
    """published accuracy on the validation set, in percent"""

    published: str
    """where that is"""

    @property
    def hub_file(self) -> HubFile | None:
        if self.file is None:
            return None
        return HubFile(
            self.repository, self.revision, self.file, self.sha256, self.bytes
        )

    @property
    def parameters(self) -> int:
        """Numbers that the network learns."""
        return architecture(self.backbone).parameters

    @property
    def options(self) -> dict[str, Any]:
        """What `networks.build` has to be told."""
        return {"padding": self.padding} if self.padding else {}

    @property
    def origin(self) -> str:
        """Where it is from, its licence and its score, for people."""
        site = "github.com" if self.file is None else "huggingface.co"
        score = f", {self.top1} % top-1 ({self.published})" if self.top1 else ""
        place = f"{site}/{self.repository} @ {self.revision[:8]}"
        return f"{place}, {self.licence}{score}"


_TORCHVISION = "torchvision's page of models, IMAGENET1K_V1"

WEIGHTS: dict[str, Weights] = {
    "resnet18": Weights(
        backbone="resnet18",
        repository="timm/resnet18.tv_in1k",
        revision="bbd144b3e5565108aad885f145491d11bc6ce807",
        sha256="694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
        bytes=46_807_446,
        interpolation="bilinear",
        licence="BSD-3-Clause",
        top1=69.76,
        published=_TORCHVISION,
    ),
    "resnet34": Weights(
        backbone="resnet34",
        repository="timm/resnet34.tv_in1k",
        revision="1b7b21cca82ff974d341713f777bf740c2db38c4",
        sha256="0bb82595a564991a9d424708b33f5d843f5aaed7f6c0886ff10849ff97022235",
        bytes=87_278_522,
        interpolation="bilinear",
        licence="BSD-3-Clause",
        top1=73.31,
        published=_TORCHVISION,
    ),
    "resnet50": Weights(
        backbone="resnet50",
        repository="timm/resnet50.tv_in1k",
        revision="78f3ecfdb38e06d9b8397f662e7ab8fee96026fa",
        sha256="5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
        bytes=102_469_840,
        interpolation="bilinear",
        licence="BSD-3-Clause",
        top1=76.13,
        published=_TORCHVISION,
    ),
    "mobilenet_v2": Weights(
        backbone="mobilenet_v2",
        repository="timm/mobilenetv2_100.ra_in1k",
        revision="5afa12513b048c79b9147a5d210e9bdc50035481",
        sha256="55ea4fb3a96010b933710ebf44fc965b070d5cd054d3f35e44f2d1320b4a714e",
        bytes=14_184_144,
        interpolation="bicubic",
        licence="Apache-2.0",
        top1=72.98,
        published="timm, results/results-imagenet.csv",
    ),
    "convnext_atto": Weights(
        backbone="convnext_atto",
        repository="timm/convnext_atto.d2_in1k",
        # no commit and no hash of it is known to us: what the hub says when it is
        # fetched counts, and is recorded beside the file
        revision="main",
        sha256=None,
        interpolation="bicubic",
        licence="Apache-2.0",
        top1=75.7,
        published="timm's release notes of August 15, 2022, at 224 pixels",
    ),
    "convnext_tiny": Weights(
        backbone="convnext_tiny",
        repository="timm/convnext_tiny.fb_in1k",
        revision="b43a6303c9fcf176d2d707478a128c2c91e93528",
        sha256="08b9dc9c3a3a29421de7996761e176501896d1ae7fc3085cf56a643772329276",
        bytes=114_374_272,
        interpolation="bicubic",
        licence="Apache-2.0",
        top1=82.1,
        published="Liu et al., CVPR 2022, Table 1",
    ),
    "mobilenet_v2_tensorflow": Weights(
        backbone="mobilenet_v2",
        repository="google-coral/test_data",
        revision="104342d2",
        file=None,
        sha256="cbca38dca64e6b61b01f92058a65db610c555797267480e5b1051fb157312fe7",
        preprocessing=replace(IMAGENET, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        interpolation="bilinear",
        padding="tensorflow",
        licence="Apache-2.0",
        top1=71.3,
        published="keras.io/api/applications, before it was quantised",
    ),
    "resnet20_cifar10": Weights(
        backbone="resnet20",
        repository="akamaster/pytorch_resnet_cifar10",
        revision="d5489e89",
        file=None,
        sha256="02926273efb1deadb6dc654c7087baea932ef2026d9f854680d6858146d85838",
        preprocessing=replace(IMAGENET, image_size=32, store_size=32),
        interpolation="none",
        classes=10,
        licence="BSD-2-Clause",
        top1=91.73,
        published="its README, on CIFAR-10",
    ),
}
"""Weights by the name that --weights takes."""

TIMM = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "mobilenetv2_100": "mobilenet_v2",
    "convnext_atto": "convnext_atto",
    "convnext_tiny": "convnext_tiny",
}
"""timm's architectures that are here, with our names; others stay timm's own."""


class Source(NamedTuple):
    """Weights that have been read, and what there is to know for using them."""

    tensors: Tensors
    """with our network's names and shapes"""

    backbone: str
    """the network, as `networks.build` knows it"""

    options: dict[str, Any]
    """what `networks.build` has to be told besides"""

    preprocessing: Preprocessing
    """how pictures are to be prepared"""

    classes: int | None
    """classes that the head tells apart; None: there is no such head"""

    origin: str
    """what they are, where from and under which licence, in a sentence"""

    sha256: str
    """of the file"""


def open_weights(
    name_or_path: str,
    backbone: str | None = None,
    *,
    tell: Tell = lambda text: None,
) -> Source:
    """Read weights by a name of the table, of timm, or of a file or folder.

    A name of the table counts before a file so called: write ./resnet18 for the file.
    backbone: the network they are meant for; None: the one that they tell.
    tell: is told what is going on, a sentence at a time.
    Raises SettingError for a name that is unknown or weights that do not fit the
    network, ModelFileError for a file that is missing, damaged or of another kind,
    RunError when they cannot be fetched, MissingExtraError where timm is wanted.
    """
    as_named, backbone = backbone, backbone and _our_name(backbone)
    if backbone is not None:
        architecture(backbone)  # SettingError for one that is unknown
    if name_or_path in WEIGHTS:
        return _of_table(name_or_path, WEIGHTS[name_or_path], backbone, tell)
    if name_or_path.startswith(PREFIX):
        row = _row_of_timm(name_or_path.removeprefix(PREFIX))
        return _of_table(name_or_path, row, backbone, tell)
    path = Path(name_or_path)
    if (path / MODEL_JSON).exists():
        return _of_folder(path, backbone, as_named)
    named = bool(name_or_path)
    if (
        (named and path.exists())
        or path.suffix == ".safetensors"
        or len(path.parts) > 1
    ):
        file = path / MODEL_TENSORS if path.is_dir() else path
        if path.is_dir() and not file.exists():
            if is_run(path):
                read_model(path)  # not finished: it says how to go on
            raise ModelFileError(
                f"{path} is not the folder of a model: there is no {MODEL_JSON} in it. "
                "Name one that `vicinal train` wrote, a .safetensors file, or a name "
                "of `vicinal info`."
            )
        return _of_file(file, backbone, as_named)
    raise SettingError(
        f"There are no weights named {name_or_path!r}, and no such file. "
        f"{near_names(name_or_path, WEIGHTS)} Or name a .safetensors file, the folder "
        "of a model, or timm:NAME."
    )


def candidates(weights: str | None) -> list[str]:
    """What to try: the weights named, with commas between, or those on disk.

    Raises SettingError where there is none.
    """
    if weights is None:
        found = on_disk()
    else:
        found = [name.strip() for name in weights.split(",") if name.strip()]
    if found:
        return found
    raise SettingError(
        "--backbone auto tries trained weights, and none of the table is on disk. Name "
        "some with --weights A,B,...: files, or names of the table, which are fetched: "
        f"{', '.join(WEIGHTS)}."
    )


def on_disk() -> list[str]:
    """Names of the table whose files are in a cache."""
    files = {name: row.hub_file for name, row in WEIGHTS.items()}
    return [name for name, file in files.items() if file and kept(file, _folder())]


def _folder() -> Path:
    return cache_folder() / "weights"


# --- the table, and timm's -----------------------------------------------------------


def _of_table(name: str, row: Weights, backbone: str | None, tell: Tell) -> Source:
    _require(backbone, row.backbone, name)
    return _of_row(name, row, _fetched(name, row, tell))


def _of_row(name: str, row: Weights, path: Path) -> Source:
    tensors = key_names.convert(load_tensors(path)[0], row.backbone)
    _check_fit(tensors, row.backbone, path)
    return Source(
        tensors,
        row.backbone,
        row.options,
        row.preprocessing,
        row.classes or None,
        f"{name}: {row.origin}",
        row.sha256 or sha256(path),
    )


def _fetched(name: str, row: Weights, tell: Tell) -> Path:
    """The path of a row's file; where it cannot be had, what there is instead."""
    have = on_disk()
    there = f"Weights that are on disk: {', '.join(have) or 'none of the table'}."
    if row.hub_file is None:
        raise ModelFileError(
            f"{name} is on no hub, so it cannot be fetched. It was made from "
            f"{row.origin}. Name its file with --weights FILE: it is known by its "
            f"content (SHA-256 {row.sha256}). {there}"
        )
    try:
        return fetch(row.hub_file, _folder(), tell=tell)
    except ModelFileError:
        raise
    except RunError as error:
        raise RunError(f"{name} cannot be had. {error} {there}") from error


def _our_name(backbone: str) -> str:
    """A network's name without timm's tag, and ours where the network is here."""
    if not backbone.startswith(PREFIX):
        return backbone
    own = timm_config(backbone.removeprefix(PREFIX)).architecture
    return TIMM.get(own, f"{PREFIX}{own}")


def _row_of_timm(name: str) -> Weights:
    """What timm says of weights, as a row of the table."""
    config = timm_config(name)
    if not config.hf_hub_id:
        raise SettingError(f"timm has no weights for {name} on the hub. Name others.")
    return Weights(
        backbone=_our_name(f"{PREFIX}{name}"),
        repository=config.hf_hub_id,
        revision="main",  # timm names no commit
        file=config.hf_hub_filename or "model.safetensors",
        sha256=None,
        preprocessing=prepared_for(config),
        interpolation=config.interpolation,
        classes=config.num_classes,
        licence=config.license or "no licence stated",
        top1=None,
        published="",
    )


# --- folders and files ---------------------------------------------------------------


def _of_folder(path: Path, backbone: str | None, as_named: str | None) -> Source:
    """The weights of a model that vicinal has trained; its name may be timm's."""
    tensors, said = read_source(str(path))
    said = said or {}
    network = said.get("network", {})
    own = network.get("backbone")
    known = isinstance(own, str) and (own in NETWORKS or own.startswith(PREFIX))
    if not known or "preprocessing" not in said:
        raise ModelFileError(
            f"{path} holds a model of another kind, {said.get('estimator')}; a model "
            "of pictures was wanted. Name the folder of one."
        )
    if as_named != own:
        _require(backbone, _our_name(own), str(path))
    options = {k: network[k] for k in ("padding", "norm_eps") if k in network}
    names = said.get("objective", {}).get("classes")
    return Source(
        tensors,
        own,
        options,
        Preprocessing.from_dict(said["preprocessing"]),
        len(names) if names else None,
        f"{path}: {own}, trained by vicinal ({said.get('estimator')})",
        said["sha256"],
    )


def _of_file(path: Path, backbone: str | None, as_named: str | None) -> Source:
    """The weights of a file, known by its content, or by its names and shapes.

    as_named: the backbone as the user named it, with timm's tag if it has one.
    """
    tensors = load_tensors(path)[0]
    digest = sha256(path)
    for name, row in WEIGHTS.items():
        if row.sha256 == digest:
            _require(backbone, row.backbone, f"{path} ({name})")
            return _of_row(name, row, path)
    own = backbone or key_names.recognise(tensors)
    if own is None:
        raise SettingError(
            f"{path} holds the weights of no network that is known here; its tensors "
            f"are named {', '.join(list(tensors)[:3])} ... Name the network with "
            f"--backbone to see what does not fit: {', '.join(NETWORKS)}, or "
            "timm:NAME."
        )
    tensors = key_names.convert(tensors, own)
    channels = key_names.channels(tensors, own)
    told = told_beside(path, own, channels)
    _check_fit(tensors, own, path, told.get("image_size"))
    options = {k: told.pop(k) for k in ("padding", "norm_eps") if k in told}
    return Source(
        tensors,
        own,
        options,
        prepared(path, own, channels, told, as_named),
        key_names.classes(tensors, own),
        f"{path}: {own}, {how_known(path, told, as_named)}",
        digest,
    )


def _require(wanted: str | None, own: str, name: str) -> None:
    if wanted not in (None, own):
        raise SettingError(
            f"{name} holds weights of {own}, and --backbone is {wanted}. Leave "
            "--backbone out, or choose other weights."
        )


def _check_fit(
    tensors: Tensors, backbone: str, path: Path, image_size: int | None = None
) -> None:
    """SettingError, with a table, where converted tensors do not fit the network."""
    if image_size is None and "image_size" in architecture(backbone).options:
        return  # its shapes depend on a size that nobody has told
    found = key_names.misfits(tensors, backbone, image_size)
    if found:
        raise SettingError(
            f"The weights in {path} do not fit {backbone}, {len(found):,} tensors:\n"
            f"{key_names.table(found)}\n"
            "Choose the --backbone they were made for."
        )
