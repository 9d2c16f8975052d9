"""GoogLeNet: four branches, joined."""

import torch
from torch import Tensor, nn


class Inception(nn.Module):
    """1 x 1; 3 x 3; twice 3 x 3 for 5 x 5; a pool; each convolution with batch norm and activation."""

    def __init__(self, in_planes: int, n: int) -> None:
        super().__init__()
        self.b1 = nn.Sequential(nn.Conv2d(in_planes, n, kernel_size=1), nn.BatchNorm2d(n), nn.ReLU(True))
        self.b2 = nn.Sequential(
            nn.Conv2d(in_planes, n, kernel_size=1), nn.BatchNorm2d(n), nn.ReLU(True),
            nn.Conv2d(n, n, kernel_size=3, padding=1), nn.BatchNorm2d(n), nn.ReLU(True),
        )  # fmt: skip
        self.b3 = nn.Sequential(
            nn.Conv2d(in_planes, n, kernel_size=1), nn.BatchNorm2d(n), nn.ReLU(True),
            nn.Conv2d(n, n, kernel_size=3, padding=1), nn.BatchNorm2d(n), nn.ReLU(True),
            nn.Conv2d(n, n, kernel_size=3, padding=1), nn.BatchNorm2d(n), nn.ReLU(True),
        )  # fmt: skip
        self.b4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(in_planes, n, kernel_size=1), nn.BatchNorm2d(n), nn.ReLU(True),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y1 = self.b1(x)
        y2 = self.b2(x)
        y3 = self.b3(x)
        y4 = self.b4(x)
        return torch.cat([y1, y2, y3, y4], 1)


class GoogLeNet(nn.Module):
    """Two inception blocks, a pool between them, and an average over 8 x 8 pixels with stride 1."""

    def __init__(self) -> None:
        super().__init__()
        self.pre_layers = nn.Sequential(
            nn.Conv2d(3, 12, kernel_size=3, stride=2, padding=1), nn.BatchNorm2d(12), nn.ReLU(True)
        )
        self.a3 = Inception(12, 7)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.a4 = Inception(28, 4)
        self.avgpool = nn.AvgPool2d(8, stride=1)
        self.linear = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        out = self.pre_layers(x)
        out = self.a3(out)
        out = self.maxpool(out)
        out = self.a4(out)
        out = self.avgpool(out)
        out = out.view(out.size(0), -1)
        out = self.linear(out)
        return out
