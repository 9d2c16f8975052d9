"""Collections of networks that people use, as Python packages; none of them is needed for anything else."""

import importlib
import importlib.metadata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import nn

from penni_escalate.common.errors import UserError, first_line

#: What the collections are pinned in, in a checkout.
REQUIREMENTS = "requirements-models.txt"


class Collection(StrEnum):
    """A Python package with networks."""

    TORCHVISION = "torchvision"
    TIMM = "timm"


@dataclass(frozen=True)
class Model:
    """A network of a collection.

    Attributes:
        name: in the collection.
        side: height and width of the smallest image that it takes, at least 32.
    """

    collection: Collection
    name: str
    side: int = 32

    @property
    def title(self) -> str:
        """The name with its collection's."""
        return f"{self.collection}/{self.name}"


_TORCHVISION = (
    "vgg11", "vgg11_bn", "vgg16", "resnet18", "resnet34", "resnet50", "wide_resnet50_2", "resnext50_32x4d",
    "squeezenet1_0", "squeezenet1_1", "densenet121", "googlenet", "mobilenet_v2", "mnasnet1_0", "shufflenet_v2_x1_0",
    "regnet_x_400mf",
)  # fmt: skip
_TIMM = (
    "resnet18", "resnet18d", "resnet26", "resnet10t", "mobilenetv1_100", "mobilenetv2_050", "vgg13_bn", "dla34",
    "repvgg_a0", "densenet121", "vovnet39a", "hrnet_w18_small", "selecsls42", "xception41", "resnetv2_50",
    "efficientnet_lite0", "tf_efficientnet_lite0",
)  # fmt: skip
MODELS = (
    Model(Collection.TORCHVISION, "alexnet", 63),
    *(Model(Collection.TORCHVISION, name) for name in _TORCHVISION),
    Model(Collection.TORCHVISION, "inception_v3", 75),
    *(Model(Collection.TIMM, name) for name in _TIMM),
    Model(Collection.TIMM, "inception_resnet_v2", 75),
)


def declare_operators() -> None:
    """Declare torchvision's compiled operators, which it does itself unless they are of another build of PyTorch.

    Without them torchvision, and everything that imports it, fails at its import. They find boxes in images: no
    network that classifies calls them.
    """
    for name in ("nms", "qnms"):
        with_boxes = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", with_boxes.removeprefix(name))


def missing(collection: Collection, folder: Path) -> str:
    """Why a collection cannot be imported, and what to do, in a sentence; '' where it can."""
    try:
        _imported(collection)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == collection:
            return (
                f"{collection} is not installed, its networks are left out: "
                f"'pip install --no-deps --target {folder} -r {REQUIREMENTS}' installs it for this command alone."
            )
        return f"{collection} cannot be imported ({first_line(error)}), its networks are left out: install it again."
    return ""


def version(collection: Collection) -> str:
    """Of what is installed."""
    return importlib.metadata.version(collection)


def make_model(model: Model) -> nn.Module:
    """A network of an installed collection with random weights.

    Raises UserError where the collection has none of this name.
    """
    package = _imported(model.collection)
    make: dict[Collection, Callable[[], Any]] = {
        Collection.TORCHVISION: lambda: package.models.get_model(model.name, weights=None),
        Collection.TIMM: lambda: package.create_model(model.name, pretrained=False),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            network: nn.Module = make[model.collection]()
        except (RuntimeError, ValueError) as error:
            raise UserError(f"{model.collection} does not make '{model.name}': {first_line(error)}.") from None
    return network


def _imported(collection: Collection) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(collection)
