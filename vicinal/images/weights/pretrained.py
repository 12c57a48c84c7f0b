"""Load pretrained weights by name, file or directory.

=======================  ==============================================================
resnet18                 a name in WEIGHTS: downloaded from the hub once, and verified
timm:resnet18.a1_in1k    weights of timm (the extra `timm`)
runs/first               a run directory, or a model directory that `save` wrote
body.safetensors         a file whose tensors are named as by torchvision or timm
=======================  ==============================================================

A file of the table is recognized by its sha256. `preprocessing` finds out the
preprocessing of other files. Weights that cannot be loaded are an error: they are never
replaced by random ones.
"""

from pathlib import Path
from typing import Any, NamedTuple

from vicinal.core.estimators.estimator import (
    MODEL_TENSORS,
    check_description,
    load_finite,
    read_model,
)
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.download import Log, fetch, find_cached
from vicinal.core.storage.files import sha256
from vicinal.core.storage.run_folder import MODEL_JSON, is_run
from vicinal.errors import ModelFileError, RunError, SettingError, suggest_names
from vicinal.images.data.cache import cache_directory
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.networks import NETWORKS, architecture
from vicinal.images.networks.timm_network import PREFIX, timm_config
from vicinal.images.weights import model_schema, state_dict_names
from vicinal.images.weights.preprocessing import (
    describe_preprocessing,
    infer_preprocessing,
    read_sidecar,
    timm_preprocessing,
)
from vicinal.images.weights.registry import TIMM_NETWORKS, WEIGHTS, Weights
from vicinal.images.weights.transfer import read_network


class LoadedWeights(NamedTuple):
    """Weights in memory, and what is needed to use them."""

    tensors: Tensors
    """with the names and shapes of our network"""

    backbone: str
    """the network, by its name for `networks.build`"""

    options: dict[str, Any]
    """further options for `networks.build`"""

    preprocessing: Preprocessing

    classes: int | None
    """number of classes of the head; None: there is no head"""

    origin: str
    """what they are, where they come from and their licence, in a sentence"""

    sha256: str
    """of the file"""


def load_weights(
    name_or_path: str,
    backbone: str | None = None,
    *,
    log: Log = lambda text: None,
) -> LoadedWeights:
    """Load weights by a name of the table, a name of timm, or a file or directory.

    A name of the table has priority over a file of the same name (write ./resnet18 for
    the file). backbone: the network they are meant for; None: found out. log: called
    with messages about the progress.
    Raises SettingError for an unknown name or weights that do not fit the network,
    ModelFileError for a missing, damaged or different file, RunError when the download
    fails, MissingExtraError when timm is needed.
    """
    requested, backbone = backbone, backbone and _our_name(backbone)
    if backbone is not None:
        architecture(backbone)  # SettingError for an unknown name
    if name_or_path in WEIGHTS:
        return _load_row(name_or_path, WEIGHTS[name_or_path], backbone, log)
    if name_or_path.startswith(PREFIX):
        row = _timm_row(name_or_path.removeprefix(PREFIX))
        return _load_row(name_or_path, row, backbone, log)
    path = Path(name_or_path)
    if (path / MODEL_JSON).exists():
        return _load_model(path, backbone, requested)
    if _means_path(name_or_path):
        return _load_file(_tensor_file(path), backbone, requested)
    raise SettingError(
        f"There are no weights named {name_or_path!r}, and no such file. "
        f"{suggest_names(name_or_path, WEIGHTS)} Or name a .safetensors file, a "
        "run directory, a model directory, or timm:NAME."
    )


def _means_path(name: str) -> bool:
    path = Path(name)
    exists = bool(name) and path.exists()
    return exists or path.suffix == ".safetensors" or len(path.parts) > 1


def _tensor_file(path: Path) -> Path:
    """Return the file, or the one in a directory without a description."""
    if not path.is_dir():
        return path
    file = path / MODEL_TENSORS
    if not file.exists():
        if is_run(path):
            read_model(path)  # an unfinished run: the error says how to resume
        raise ModelFileError(
            f"{path} is not a model directory: it has no {MODEL_JSON}. Name a run "
            "directory that `vicinal train` wrote, a .safetensors file, or a name of "
            "`vicinal info`."
        )
    return file


def candidate_weights(weights: str | None) -> list[str]:
    """Return the weights to try: those named, separated by commas, or those on disk.

    Raises SettingError where there are none.
    """
    if weights is None:
        names = cached_weights()
    else:
        names = [name.strip() for name in weights.split(",") if name.strip()]
    if names:
        return names
    raise SettingError(
        "--backbone auto compares pretrained weights, and none of the table is on "
        "disk. Name some with --weights A,B,...: files, or names of the table, which "
        f"are downloaded: {', '.join(WEIGHTS)}."
    )


def cached_weights() -> list[str]:
    """Return the names of the table whose files are in a cache on disk."""
    files = {name: row.hub_file for name, row in WEIGHTS.items()}
    cache = _weights_cache()
    return [k for k, file in files.items() if file and find_cached(file, cache)]


def _weights_cache() -> Path:
    return cache_directory() / "weights"


# --- the table, and timm -------------------------------------------------------------


def _load_row(name: str, row: Weights, backbone: str | None, log: Log) -> LoadedWeights:
    _require_backbone(backbone, row.backbone, name)
    return _read_row(name, row, _download(name, row, log))


def _read_row(name: str, row: Weights, path: Path) -> LoadedWeights:
    tensors = state_dict_names.convert_names(load_finite(path), row.backbone)
    _require_fit(tensors, row.backbone, path)
    return LoadedWeights(
        tensors,
        row.backbone,
        row.options,
        row.preprocessing,
        row.classes or None,
        f"{name}: {row.origin}",
        row.sha256 or sha256(path),
    )


def _download(name: str, row: Weights, log: Log) -> Path:
    """Return the path of a row's file; the error lists the weights on disk."""
    on_disk = ", ".join(cached_weights()) or "none of the table"
    if row.hub_file is None:
        raise ModelFileError(
            f"{name} is not on the hub, so it cannot be downloaded. It was made from "
            f"{row.origin}. Name its file with --weights FILE: it is recognized by its "
            f"content (SHA-256 {row.sha256}). Weights on disk: {on_disk}."
        )
    try:
        return fetch(row.hub_file, _weights_cache(), log=log)
    except ModelFileError:
        raise
    except RunError as error:
        raise RunError(
            f"{name} could not be downloaded. {error} Weights on disk: {on_disk}."
        ) from error


def _our_name(backbone: str) -> str:
    """Return a network's name without timm's tag; ours where it is implemented here."""
    if not backbone.startswith(PREFIX):
        return backbone
    name = timm_config(backbone.removeprefix(PREFIX)).architecture
    return TIMM_NETWORKS.get(name, f"{PREFIX}{name}")


def _timm_row(name: str) -> Weights:
    """Return timm's description of weights as a row of the table."""
    config = timm_config(name)
    if not config.hf_hub_id:
        raise SettingError(
            f"timm has no weights for {name} on the hub. Choose other weights."
        )
    return Weights(
        backbone=_our_name(f"{PREFIX}{name}"),
        repository=config.hf_hub_id,
        revision="main",  # timm names no commit
        file=config.hf_hub_filename or "model.safetensors",
        sha256=None,
        preprocessing=timm_preprocessing(config),
        interpolation=config.interpolation,
        classes=config.num_classes,
        licence=config.license or "no licence stated",
        top1=None,
        published="",
    )


# --- directories and files -----------------------------------------------------------


def _load_model(
    path: Path, backbone: str | None, requested: str | None
) -> LoadedWeights:
    """Load the network of a run directory or model directory.

    requested: the backbone as the user named it.
    """
    tensors, description = read_network(str(path))
    description = description or {}
    network = description.get("network", {})
    own = network.get("backbone")
    known = isinstance(own, str) and (own in NETWORKS or own.startswith(PREFIX))
    if not known or "preprocessing" not in description:
        raise ModelFileError(
            f"{path} must be a run directory or model directory of images. Got one of "
            f"{description.get('estimator')}."
        )
    check_description(path / MODEL_JSON, description, model_schema.WEIGHTS)
    if requested != own:
        _require_backbone(backbone, _our_name(own), str(path))
    options = {k: network[k] for k in ("padding", "norm_eps") if k in network}
    names = description["objective"]["classes"]
    return LoadedWeights(
        tensors,
        own,
        options,
        _read_preprocessing(path, description["preprocessing"], own),
        len(names) if names else None,
        f"{path}: {own}, trained by vicinal ({description.get('estimator')})",
        description["sha256"],
    )


def _read_preprocessing(
    path: Path, values: dict[str, Any], backbone: str
) -> Preprocessing:
    try:
        return model_schema.read_preprocessing(values, backbone)
    except ValueError as error:
        raise ModelFileError(f"The model in {path} is damaged: {error}.") from error


def _load_file(
    path: Path, backbone: str | None, requested: str | None
) -> LoadedWeights:
    """Load a file, recognized by its sha256 or by its tensors' names and shapes.

    requested: the backbone as the user named it, with timm's tag if it has one.
    """
    tensors = load_finite(path)
    digest = sha256(path)
    for name, row in WEIGHTS.items():
        if row.sha256 == digest:
            _require_backbone(backbone, row.backbone, f"{path} ({name})")
            return _read_row(name, row, path)
    own = backbone or state_dict_names.identify_backbone(tensors)
    if own is None:
        raise SettingError(
            f"{path} does not hold the weights of a known network; its tensors are "
            f"named {', '.join(list(tensors)[:3])} ... Name the network with "
            "--backbone to see what does not fit: "
            f"{', '.join(NETWORKS)}, or timm:NAME."
        )
    tensors = state_dict_names.convert_names(tensors, own)
    channels = state_dict_names.count_input_channels(tensors, own)
    sidecar = read_sidecar(path, own, channels)
    _require_fit(tensors, own, path, sidecar.get("image_size"))
    options = {k: sidecar.pop(k) for k in ("padding", "norm_eps") if k in sidecar}
    return LoadedWeights(
        tensors,
        own,
        options,
        infer_preprocessing(path, own, channels, sidecar, requested),
        state_dict_names.count_classes(tensors, own),
        f"{path}: {own}, {describe_preprocessing(path, sidecar, requested)}",
        digest,
    )


def _require_backbone(expected: str | None, own: str, name: str) -> None:
    if expected not in (None, own):
        raise SettingError(
            f"{name} holds weights of {own}, and --backbone is {expected}. Leave "
            "--backbone out, or choose other weights."
        )


def _require_fit(
    tensors: Tensors, backbone: str, path: Path, image_size: int | None = None
) -> None:
    """Raise SettingError, with a table, where converted tensors do not fit."""
    if image_size is None and "image_size" in architecture(backbone).options:
        return  # its shapes depend on the image size, which is unknown
    mismatches = state_dict_names.find_mismatches(tensors, backbone, image_size)
    if mismatches:
        raise SettingError(
            f"The weights in {path} do not fit {backbone}. {len(mismatches):,} tensors "
            f"differ:\n{state_dict_names.format_mismatches(mismatches)}\n"
            "Choose the --backbone they were made for."
        )
