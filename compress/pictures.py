"""The picture of a network that gives a map: each held-out image with the float and the integer network's map."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from penni_escalate.golden.functional import run_network
from penni_escalate.golden.package import Package

_GAP = 4
#: Channels of a map that are shown.
_CHANNELS = 16


def write_picture(path: Path, package: Package, layer: str | None = None, count: int = 8) -> Path:
    """Write a PNG: input, and each channel of the float and of the integer network's map, of up to ``count`` images.

    Of more channels than _CHANNELS the first ones; what is smaller than the rest is enlarged.

    Args:
        layer: that gives the map; the main result's if None.

    Returns ``path``.
    """
    result = package.result_of(layer)
    assert result.maps is not None
    strips = []
    for image, before in zip(package.images[:count], result.maps, strict=False):
        codes = run_network(package, image[None])[result.layer][0]
        after = np.round(255 / (1 + np.exp(-result.scale * codes.astype(np.float64)))).astype(np.uint8)
        # Edges dark on white, as papers print them.
        maps = [255 - map_[..., k] for k in range(min(codes.shape[-1], _CHANNELS)) for map_ in (before, after)]
        strips.append(_beside(*_of_one_size([_visible(image), *maps])))
    gap = np.full((_GAP, strips[0].shape[1], 3), 255, np.uint8)
    picture = np.concatenate([part for strip in strips for part in (strip, gap)][:-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def _visible(image: np.ndarray) -> np.ndarray:
    """Input codes (H, W, C) as an RGB picture, stretched to its range; three channels are blue, green, red."""
    values = image.astype(np.float64)
    values = (values - values.min()) * (255 / max(np.ptp(values), 1))
    channels = values[..., ::-1] if values.shape[2] == 3 else np.repeat(values[..., :1], 3, axis=2)
    return channels.astype(np.uint8)


def _of_one_size(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """All as large as the largest, with pixels as blocks."""
    size = (max(picture.shape[1] for picture in pictures), max(picture.shape[0] for picture in pictures))
    return [np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST)) for picture in pictures]


def _beside(*pictures: np.ndarray) -> np.ndarray:
    colour = [part if part.ndim == 3 else np.repeat(part[..., None], 3, axis=2) for part in pictures]
    gap = np.full((colour[0].shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([part for picture in colour for part in (picture, gap)][:-1], axis=1)
