"""MobileNetV2 for ImageNet (Sandler et al., CVPR 2018)."""

from torch import Tensor, nn

from penni_escalate.compress.networks.initial import initialise_convolutions

#: Expansion, output channels, blocks, stride of the first block: table 2 of the paper.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _convolution(channels: int, kernels: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(channels, kernels, size, stride, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(kernels),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """1x1 to ``expansion`` times the channels, 3x3 depthwise, 1x1 without ReLU; a shortcut where the shapes agree."""

    def __init__(self, channels: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [_convolution(channels, wide, 1)]
        layers += [
            _convolution(wide, wide, 3, stride, groups=wide),
            nn.Conv2d(wide, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and channels == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, channels_out, H / stride, W / stride), of either sign."""
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """torchvision's mobilenet_v2."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(3, 32, 3, stride=2)]
        channels = 32
        for expansion, kernels, blocks, stride in _STAGES:
            for block in range(blocks):
                layers.append(InvertedResidual(channels, kernels, expansion, stride if block == 0 else 1))
                channels = kernels
        layers.append(_convolution(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))
        initialise_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) from real images (N, 3, 224, 224)."""
        logits: Tensor = self.classifier(self.flatten(self.avgpool(self.features(x))))
        return logits
