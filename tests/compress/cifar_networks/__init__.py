"""CIFAR's networks of 32 x 32 pixels, spelt as collections of them spell them; width and depth are reduced.

Every class takes small numbers of channels, so that a network goes through all steps in a second or two.
"""

from collections.abc import Callable

from torch import nn

from penni_escalate.compress.penni.networks import ResNet18
from tests.compress.cifar_networks.dense import DPN, DenseNet
from tests.compress.cifar_networks.dla import DLA
from tests.compress.cifar_networks.inception import GoogLeNet
from tests.compress.cifar_networks.mobile import MobileNet, MobileNetV2, ShuffleNetV2
from tests.compress.cifar_networks.plain import VGG, LeNet
from tests.compress.cifar_networks.residual import PreActResNet, RegNetX, ResNeXt

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "VGG": VGG,
    "ResNet": lambda: ResNet18((8, 12, 16, 16), blocks=1),
    "PreActResNet": PreActResNet,
    "GoogLeNet": GoogLeNet,
    "DenseNet": DenseNet,
    "ResNeXt": ResNeXt,
    "MobileNet": MobileNet,
    "MobileNetV2": MobileNetV2,
    "DPN": DPN,
    "ShuffleNetV2": ShuffleNetV2,
    "RegNetX": RegNetX,
    "DLA": DLA,
    "LeNet": LeNet,
}
