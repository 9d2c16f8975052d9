"""VGG16, ResNet-56 and ResNet-18 for CIFAR in the shape, and the spelling, of the repository of PENNI's authors.

Definitions of this project's own (github.com/timlee0212/PENNI, models/, has theirs). Widths and numbers of blocks are
arguments: the pipeline is run on narrow ones, which a CPU trains in minutes.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

#: Output channels of VGG16's convolutions; "M": a 2x2 max pooling.
VGG16_LAYOUT: tuple[int | str, ...] = (
    64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M",
)  # fmt: skip
RESNET56_WIDTHS = (16, 32, 64)
RESNET18_WIDTHS = (64, 128, 256, 512)


class VGG16(nn.Module):
    """Convolutions without bias; the mean of a mean; batch norm behind the linear layers."""

    def __init__(self, layout: Sequence[int | str] = VGG16_LAYOUT, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for kernels in layout:
            if isinstance(kernels, str):
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, kernels, 3, 1, 1, bias=False), nn.BatchNorm2d(kernels)]
                layers.append(nn.ReLU(inplace=True))
                channels = kernels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(channels, channels),
            nn.BatchNorm1d(channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, channels),
            nn.BatchNorm1d(channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) from real images (N, 3, H, W)."""
        feat = self.features(x)
        feat = feat.mean(3).mean(2)
        out: Tensor = self.classifier(feat)
        return out


class LambdaLayer(nn.Module):
    """A function as a module."""

    def __init__(self, lambd: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        """The function's value."""
        return self.lambd(x)


class BasicBlock(nn.Module):
    """Two convolutions, and a shortcut that is empty where nothing changes.

    Args:
        padded: where something changes, the shortcut takes every second pixel and pads channels with zeros on both
            sides (option A); else it is a 1x1 convolution with batch norm (option B).
    """

    def __init__(self, in_planes: int, planes: int, stride: int = 1, padded: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut: nn.Module = nn.Sequential()
        if stride != 1 or in_planes != planes:
            self.shortcut = (
                LambdaLayer(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes // 4, planes // 4), "constant", 0))
                if padded
                else nn.Sequential(
                    nn.Conv2d(in_planes, planes, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(planes)
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, not negative."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        out = F.relu(out)
        return out


class ResNet56(nn.Module):
    """Three stages of nine blocks with padded shortcuts, each stage twice as wide as the one before."""

    def __init__(self, widths: Sequence[int] = RESNET56_WIDTHS, blocks: int = 9, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = _stage(widths[0], widths[0], blocks, 1, padded=True)
        self.layer2 = _stage(widths[0], widths[1], blocks, 2, padded=True)
        self.layer3 = _stage(widths[1], widths[2], blocks, 2, padded=True)
        self.linear = nn.Linear(widths[2], classes)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) from real images (N, 3, H, W), H = W."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer1(out)
        out = self.layer2(out)
        out = self.layer3(out)
        out = F.avg_pool2d(out, out.size()[3])
        out = out.view(out.size(0), -1)
        out = self.linear(out)
        return out


class ResNet18(nn.Module):
    """Four stages of two blocks, whose shortcuts are 1x1 convolutions; the last maps have 4x4 pixels."""

    def __init__(self, widths: Sequence[int] = RESNET18_WIDTHS, blocks: int = 2, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = _stage(widths[0], widths[0], blocks, 1)
        self.layer2 = _stage(widths[0], widths[1], blocks, 2)
        self.layer3 = _stage(widths[1], widths[2], blocks, 2)
        self.layer4 = _stage(widths[2], widths[3], blocks, 2)
        self.linear = nn.Linear(widths[3], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) from real images (N, 3, 32, 32)."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer1(out)
        out = self.layer2(out)
        out = self.layer3(out)
        out = self.layer4(out)
        out = F.avg_pool2d(out, 4)
        out = out.view(out.size(0), -1)
        out = self.linear(out)
        return out


def _stage(in_planes: int, planes: int, blocks: int, stride: int, padded: bool = False) -> nn.Sequential:
    layers = []
    for step in (stride, *[1] * (blocks - 1)):
        layers.append(BasicBlock(in_planes, planes, step, padded))
        in_planes = planes
    return nn.Sequential(*layers)
