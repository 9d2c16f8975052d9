"""Two networks for the MNIST digits, small enough to be trained and compressed in minutes on a CPU."""

from collections import OrderedDict

from torch import Tensor, nn

from penni_escalate.compress.networks.resnet import BasicBlock, residual_stage

#: Output channels and stride of each convolution of DigitsPlain.
_CONVOLUTIONS = ((16, 1), (32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 1))


class DigitsPlain(nn.Sequential):
    """A chain of seven 3x3 convolutions with batch norm and ReLU, then average pooling and a linear classifier.

    Input: real images (N, 1, 28, 28); output: logits (N, classes). Modules: conv1, norm1, relu1, .. relu7, pool,
    flatten, classifier.
    """

    def __init__(self, classes: int = 10) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = 1
        for number, (kernels, stride) in enumerate(_CONVOLUTIONS, start=1):
            layers[f"conv{number}"] = nn.Conv2d(channels, kernels, 3, stride, padding=1, bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(kernels)
            layers[f"relu{number}"] = nn.ReLU()
            channels = kernels
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["classifier"] = nn.Linear(channels, classes)
        super().__init__(layers)


class DigitsResidual(nn.Module):
    """A stem and four residual blocks of 16, 32, 64 and 128 channels: every kind of shortcut that a ResNet has.

    layer1's shortcut is the identity, those of layer2 and layer3 are 1x1 convolutions of stride 2, layer4's is one of
    stride 1. Input: real images (N, 1, 28, 28); output: logits (N, classes).
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = residual_stage(BasicBlock, 16, 16, blocks=1, stride=1)
        self.layer2 = residual_stage(BasicBlock, 16, 32, blocks=1, stride=2)
        self.layer3 = residual_stage(BasicBlock, 32, 64, blocks=1, stride=2)
        self.layer4 = residual_stage(BasicBlock, 64, 128, blocks=1, stride=1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) from real images (N, 1, 28, 28)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.flatten(self.avgpool(x)))
        return logits
