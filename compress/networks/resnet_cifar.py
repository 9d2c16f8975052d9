"""ResNet-20 and ResNet-56 for CIFAR (He et al., CVPR 2016, section 4.2), with shortcuts without weights."""

from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.networks.initial import initialise_convolutions

_WIDTHS = (16, 32, 64)


class Subsample(nn.Module):
    """A shortcut between stages without weights (option A): every second pixel, and channels of zeros on both sides.

    (N, C, H, W) to (N, channels_out, H / 2, W / 2); the input's channels lie in the middle of the output's.
    """

    def __init__(self, channels_out: int) -> None:
        super().__init__()
        self.channels_out = channels_out

    def forward(self, x: Tensor) -> Tensor:
        """The smaller, wider maps."""
        added = self.channels_out - x.shape[1]
        before = added // 2
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, before, added - before))


class CifarBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: (N, C, H, W) to (N, width, H / stride, W / stride)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = None if stride == 1 else Subsample(width)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, not negative."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        result: Tensor = self.relu2(y + shortcut)
        return result


class CifarResNet(nn.Module):
    """6 * blocks + 2 layers; 16, 32 and 64 channels at 32, 16 and 8 pixels a side.

    Modules are named as in the checkpoints of github.com/akamaster/pytorch_resnet_cifar10.
    """

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.relu = nn.ReLU()
        self.layer1 = _stage(_WIDTHS[0], _WIDTHS[0], blocks, stride=1)
        self.layer2 = _stage(_WIDTHS[0], _WIDTHS[1], blocks, stride=2)
        self.layer3 = _stage(_WIDTHS[1], _WIDTHS[2], blocks, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(_WIDTHS[2], classes)
        initialise_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) from real images (N, 3, 32, 32)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(self.flatten(self.avgpool(x)))
        return logits


def _stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    rest = [CifarBlock(width, width, 1) for _ in range(blocks - 1)]
    return nn.Sequential(CifarBlock(channels, width, stride), *rest)


def resnet20(classes: int = 10) -> CifarResNet:
    """ResNet-20, 0.27 million parameters."""
    return CifarResNet(3, classes)


def resnet56(classes: int = 10) -> CifarResNet:
    """ResNet-56, 0.85 million parameters."""
    return CifarResNet(9, classes)
