"""The table of pretrained weights: where each file is, and how it was trained."""

from dataclasses import dataclass, replace
from typing import Any

from vicinal.core.storage.download import HubFile
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.networks import architecture
from vicinal.images.networks.mobilenet import Padding
from vicinal.images.weights.preprocessing import IMAGENET


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One row of the table."""

    backbone: str
    """the network, by its name in `networks.NETWORKS`"""

    repository: str
    """owner and name, on the Hugging Face hub or on GitHub"""

    revision: str
    """the commit; `main` where it is unknown"""

    file: str | None = "model.safetensors"
    """file name on the hub; None: not on the hub, identified by its sha256"""

    sha256: str | None
    """of the file; None: unknown, and that of the hub is used"""

    bytes: int | None = None
    """size of the file, if known"""

    preprocessing: Preprocessing = IMAGENET
    """preprocessing of the images it was tested on"""

    interpolation: str
    """the authors' interpolation for resizing; vicinal uses antialiased bilinear"""

    padding: Padding | None = None
    """padding of convolutions with stride 2; None: the network's default"""

    classes: int = 1000
    """number of classes of the head; 0: there is no head"""

    licence: str
    """SPDX name"""

    top1: float | None
    """published accuracy on the validation set, in percent"""

    published: str
    """source of `top1`"""

    @property
    def hub_file(self) -> HubFile | None:
        """The file on the hub; None where there is none."""
        if self.file is None:
            return None
        return HubFile(
            self.repository, self.revision, self.file, self.sha256, self.bytes
        )

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return architecture(self.backbone).parameters

    @property
    def options(self) -> dict[str, Any]:
        """Options of the network for `networks.build`."""
        return {"padding": self.padding} if self.padding else {}

    @property
    def origin(self) -> str:
        """Repository, licence and published accuracy, as text."""
        site = "github.com" if self.file is None else "huggingface.co"
        score = f", {self.top1} % top-1 ({self.published})" if self.top1 else ""
        commit = f"{site}/{self.repository} @ {self.revision[:8]}"
        return f"{commit}, {self.licence}{score}"


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
        # commit and hash are unknown: the hub's are used, and stored with the file
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
"""Pretrained weights by their name for --weights."""

TIMM_NETWORKS = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "mobilenetv2_100": "mobilenet_v2",
    "convnext_atto": "convnext_atto",
    "convnext_tiny": "convnext_tiny",
}
"""timm architectures that are implemented here, with their names in NETWORKS"""


def is_pretrained(name: str) -> bool:
    """Return whether a name is that of weights in the table, of timm, or of a file."""
    return name in WEIGHTS or name.startswith("timm:") or name.endswith(".safetensors")
