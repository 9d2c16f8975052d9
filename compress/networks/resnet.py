"""ResNet-18 for CIFAR and ResNet-50 for ImageNet (He et al., "Deep residual learning", CVPR 2016).

Modules are named as torchvision's, so its weights fit. Where torchvision calls one ReLU several times, each call
has a module of its own here: a ReLU has no weights, and a tool that measures activations can tell them apart.
"""

from typing import Protocol

from torch import Tensor, nn

from penni_escalate.compress.networks.initial import initialise_convolutions


class ResidualBlock(Protocol):
    """The type of a residual block: the class itself is passed to ResNet."""

    #: Output channels for each channel of the block's inner convolutions.
    expansion: int

    def __call__(self, channels: int, width: int, stride: int) -> nn.Module:
        """A block from ``channels`` to ``width * expansion`` channels."""
        ...


def _shortcut(channels: int, channels_out: int, stride: int) -> nn.Sequential | None:
    """A 1x1 convolution where the block's input does not have its output's shape (option B); else nothing."""
    if stride == 1 and channels == channels_out:
        return None
    return nn.Sequential(
        nn.Conv2d(channels, channels_out, 1, stride, bias=False),
        nn.BatchNorm2d(channels_out),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: (N, C, H, W) to (N, width, H / stride, W / stride)."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(channels, width, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, not negative."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        result: Tensor = self.relu2(y + shortcut)
        return result


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut: (N, C, H, W) to (N, 4 * width, H / stride, W / stride).

    The 3x3 convolution has the stride, as in torchvision, not the first 1x1 as in the paper.
    """

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        channels_out = width * self.expansion
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.downsample = _shortcut(channels, channels_out, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, not negative."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        result: Tensor = self.relu3(y + shortcut)
        return result


def residual_stage(block: ResidualBlock, channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """A stage of ``blocks`` blocks; the first has the stride and changes ``channels`` to ``width * expansion``."""
    rest = [block(width * block.expansion, width, 1) for _ in range(blocks - 1)]
    return nn.Sequential(block(channels, width, stride), *rest)


class ResNet(nn.Module):
    """A stem, four stages of 64 to 512 channels (times the block's expansion), a linear classifier.

    Args:
        block: BasicBlock or Bottleneck.
        blocks: number of blocks of each stage.
        classes: number of classes.
        stem: the first convolution, from 3 to 64 channels.
        maxpool: what follows the stem's ReLU, if anything.
    """

    def __init__(
        self,
        block: ResidualBlock,
        blocks: tuple[int, int, int, int],
        classes: int,
        stem: nn.Conv2d,
        maxpool: nn.Module | None,
    ) -> None:
        super().__init__()
        wide = block.expansion
        self.conv1 = stem
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = maxpool
        self.layer1 = residual_stage(block, 64, 64, blocks[0], stride=1)
        self.layer2 = residual_stage(block, 64 * wide, 128, blocks[1], stride=2)
        self.layer3 = residual_stage(block, 128 * wide, 256, blocks[2], stride=2)
        self.layer4 = residual_stage(block, 256 * wide, 512, blocks[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(512 * wide, classes)
        initialise_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) from real images (N, 3, H, W)."""
        x = self.relu(self.bn1(self.conv1(x)))
        if self.maxpool is not None:
            x = self.maxpool(x)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.flatten(self.avgpool(x)))
        return logits


def resnet18(classes: int = 10) -> ResNet:
    """ResNet-18 for 32x32 images: torchvision's resnet18 with a 3x3 stem of stride 1 and without max pooling."""
    stem = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    return ResNet(BasicBlock, (2, 2, 2, 2), classes, stem, maxpool=None)


def resnet50(classes: int = 1000) -> ResNet:
    """torchvision's resnet50, for 224x224 images."""
    stem = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
    return ResNet(Bottleneck, (3, 4, 6, 3), classes, stem, nn.MaxPool2d(3, stride=2, padding=1))
