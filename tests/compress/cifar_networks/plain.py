"""Chains: VGG and LeNet."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class VGG(nn.Module):
    """Blocks of convolutions with batch norm in a Sequential, and an average of one pixel that does nothing."""

    layout = (8, "M", 12, "M", 16, 16, "M", 16, "M", 16, "M")

    def __init__(self) -> None:
        super().__init__()
        self.features = self._make_layers(self.layout)
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        out = self.features(x)
        out = out.view(out.size(0), -1)
        out = self.classifier(out)
        return out

    def _make_layers(self, layout: tuple[Any, ...]) -> nn.Sequential:
        layers: list[nn.Module] = []
        in_channels = 3
        for x in layout:
            if x == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
            else:
                layers += [
                    nn.Conv2d(in_channels, x, kernel_size=3, padding=1),
                    nn.BatchNorm2d(x),
                    nn.ReLU(inplace=True),
                ]
                in_channels = x
        layers += [nn.AvgPool2d(kernel_size=1, stride=1)]
        return nn.Sequential(*layers)


class LeNet(nn.Module):
    """Convolutions without margins, pools as functions, three fully connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 30)
        self.fc2 = nn.Linear(30, 21)
        self.fc3 = nn.Linear(21, 10)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.conv1(x))
        out = F.max_pool2d(out, 2)
        out = F.relu(self.conv2(out))
        out = F.max_pool2d(out, 2)
        out = out.view(out.size(0), -1)
        out = F.relu(self.fc1(out))
        out = F.relu(self.fc2(out))
        out = self.fc3(out)
        return out
