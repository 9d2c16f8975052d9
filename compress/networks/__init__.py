"""The networks that can be compressed: plain modules on real-valued images (N, C, H, W).

Where torchvision has a network, the keys and shapes of its state_dict are torchvision's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from penni_escalate.compress.networks.alexnet import AlexNet
from penni_escalate.compress.networks.checkpoint import load_checkpoint
from penni_escalate.compress.networks.digits import DigitsPlain, DigitsResidual
from penni_escalate.compress.networks.hed import Hed, load_hed_weights
from penni_escalate.compress.networks.mobilenet import MobileNetV2
from penni_escalate.compress.networks.resnet import resnet18, resnet50
from penni_escalate.compress.networks.resnet_cifar import Subsample, resnet20, resnet56
from penni_escalate.compress.networks.vgg import Vgg16

__all__ = [
    "NETWORKS",
    "NetworkEntry",
    "Subsample",
    "load_checkpoint",
]


@dataclass(frozen=True)
class NetworkEntry:
    """A network by its name.

    Attributes:
        name: the name on the command line.
        build: makes the network for a number of classes, with fresh weights.
        input_shape: channels, height and width, in pixels, of one image.
        classes: number of classes unless the data says otherwise; 0 where the output is a map, not classes.
        data: name of the data source that it is trained on unless the user says otherwise.
        shipped: loads, into the network that ``build`` made, the weights in a Python package of its own; raises
            UserError where the package is not installed; None where there is no such package.
    """

    name: str
    build: Callable[[int], nn.Module]
    input_shape: tuple[int, int, int]
    classes: int
    data: str
    shipped: Callable[[Any], None] | None = None


def _hed(_: int) -> nn.Module:
    return Hed()


_ENTRIES = (
    NetworkEntry("digits", DigitsPlain, (1, 28, 28), 10, "digits"),
    NetworkEntry("digits-residual", DigitsResidual, (1, 28, 28), 10, "digits"),
    NetworkEntry("vgg16", Vgg16, (3, 32, 32), 10, "photo-10"),
    NetworkEntry("resnet18", resnet18, (3, 32, 32), 10, "photo-10"),
    NetworkEntry("resnet20", resnet20, (3, 32, 32), 10, "photo-10"),
    NetworkEntry("resnet56", resnet56, (3, 32, 32), 10, "photo-10"),
    NetworkEntry("alexnet", AlexNet, (3, 224, 224), 1000, "image-folder"),
    NetworkEntry("resnet50", resnet50, (3, 224, 224), 1000, "image-folder"),
    NetworkEntry("mobilenetv2", MobileNetV2, (3, 224, 224), 1000, "image-folder"),
    NetworkEntry("hed", _hed, (3, 160, 240), 0, "photographs", load_hed_weights),
)
NETWORKS: dict[str, NetworkEntry] = {entry.name: entry for entry in _ENTRIES}
