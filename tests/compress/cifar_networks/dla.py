"""DLA: trees of blocks whose results are joined by roots."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from penni_escalate.compress.penni.networks import BasicBlock


class Root(nn.Module):
    """A 1 x 1 convolution of several results, joined."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, stride=1, padding=0, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        x = torch.cat(list(xs), 1)
        out = F.relu(self.bn(self.conv(x)))
        return out


class Tree(nn.Module):
    """Two blocks or trees one after the other, and what all levels gave in the root."""

    def __init__(self, in_channels: int, out_channels: int, level: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.level = level
        if level == 1:
            self.root = Root(2 * out_channels, out_channels)
            self.left_node: nn.Module = BasicBlock(in_channels, out_channels, stride=stride)
            self.right_node: nn.Module = BasicBlock(out_channels, out_channels, stride=1)
        else:
            self.root = Root((level + 2) * out_channels, out_channels)
            for i in reversed(range(1, level)):
                self.__setattr__(f"level_{i}", Tree(in_channels, out_channels, level=i, stride=stride))
            self.prev_root = BasicBlock(in_channels, out_channels, stride=stride)
            self.left_node = BasicBlock(out_channels, out_channels, stride=1)
            self.right_node = BasicBlock(out_channels, out_channels, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        xs = [self.prev_root(x)] if self.level > 1 else []
        for i in reversed(range(1, self.level)):
            level_i = self.__getattr__(f"level_{i}")
            x = level_i(x)
            xs.append(x)
        x = self.left_node(x)
        xs.append(x)
        x = self.right_node(x)
        xs.append(x)
        out = self.root(xs)
        return out


class DLA(nn.Module):
    """Two trees, the second of two levels."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=3, stride=1, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(True)
        )
        self.layer1 = Tree(8, 8, level=1, stride=2)
        self.layer2 = Tree(8, 10, level=2, stride=2)
        self.linear = nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        out = self.base(x)
        out = self.layer1(out)
        out = self.layer2(out)
        out = F.avg_pool2d(out, 8)
        out = out.view(out.size(0), -1)
        out = self.linear(out)
        return out
