"""From pixels and real values to codes: mean and deviation of a network's input, and the one scale of all channels."""

from typing import NamedTuple

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data.dataset import SIGNED_SCALE, Data

#: What pixels of a type are divided by, as torchvision's ToTensor does; real values by nothing.
_TOPS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}
#: Mean and deviation of pixels of 8 bits where the user names none: the network's input is then within -2 .. 2.
_MEAN, _DEVIATION = 128 / 255, 1 / (SIGNED_SCALE * 255)
#: Images whose real values are computed at a time.
_AT_ONCE = 64

Numbers = float | list[float] | None


Part = tuple[np.ndarray, np.ndarray | None]


def coded_data(
    name: str,
    training: Part,
    held_out: Part,
    *,
    description: str,
    mean: Numbers = None,
    deviation: Numbers = None,
    classes: int | None = None,
    notes: tuple[str, ...] = (),
) -> Data:
    """Data of images and labels: the codes of (pixel / top - mean) / deviation, channel by channel.

    ``top`` is 255 or 65535, and 1 of real values. One scale serves all channels, so that code * scale is the network's
    input. It is the smallest at which everything that 8-bit pixels can be has a code; of other types, everything that
    the training images have.

    Args:
        name: of the data, for sentences.
        training, held_out: images uint8, uint16 or float32 (N, C, H, W), and labels int64 (N,) or (N, L), or
            None.
        mean, deviation: one for all channels, or one each, in shares of the pixels' range as torchvision's Normalize
            takes them. None: the source's choice, see Data.assumed.
        classes: their number; None: what the labels say.

    Raises UserError where mean or deviation do not fit the images.
    """
    coded = _encode(name, training[0], held_out[0], mean, deviation)
    labels = [part[1] for part in (training, held_out) if part[1] is not None]
    return Data(
        name=name,
        description=description,
        images=coded.images,
        labels=training[1],
        held_out_images=coded.held_out,
        held_out_labels=held_out[1],
        scale=coded.scale,
        classes=classes if classes is not None else max((int(part.max()) + 1 for part in labels), default=0),
        assumed=coded.assumed,
        notes=(*notes, *coded.notes),
    )


class _Coded(NamedTuple):
    """Of the images that train and of those held out; ``assumed`` and ``notes`` as in Data."""

    images: np.ndarray
    held_out: np.ndarray
    scale: float
    assumed: bool
    notes: tuple[str, ...]


def _encode(source: str, images: np.ndarray, held_out: np.ndarray, mean: Numbers, deviation: Numbers) -> _Coded:
    kind = images.dtype
    if (mean is None) != (deviation is None):
        raise UserError(f"Data '{source}' needs 'mean' and 'deviation' together: name both or none.")
    assumed = mean is None and kind != np.float32
    if mean is None or deviation is None:
        means, deviations = _assumed(images)
    else:
        means, deviations = (
            _by_channel(source, name, values, images.shape[1])
            for name, values in (("mean", mean), ("deviation", deviation))
        )
    if kind != np.float32 and not ((means >= 0) & (means <= 1)).all():
        raise UserError(
            f"Data '{source}': mean is {mean}: of pixels it must be between 0 and 1, a share of their range, as in "
            "torchvision's Normalize."
        )
    if not (deviations > 0).all():
        raise UserError(f"Data '{source}': deviation is {deviation}: it must be above 0.")
    tops = _TOPS[kind]
    if kind == np.uint8:
        least, most = np.zeros_like(means), np.ones_like(means)
    else:
        least, most = (part.astype(np.float64) / tops for part in (images.min((0, 2, 3)), images.max((0, 2, 3))))
    low, high = float(((least - means) / deviations).min()), float(((most - means) / deviations).max())
    signed = low < 0
    scale = max(-low / 128, high / 127) if signed else high / 255
    if scale <= 0:
        raise UserError(f"Data '{source}': every training image is 0: there is nothing to learn from.")

    def codes(values: np.ndarray) -> tuple[np.ndarray, int]:
        bottom, top, dtype = (-128, 127, np.int8) if signed else (0, 255, np.uint8)
        if kind == np.uint8:
            # Each channel's 256 codes: a table takes an eighth of the memory of the arithmetic.
            real = (np.arange(256) / tops - means[:, None]) / (deviations[:, None] * scale)
            tables = np.clip(np.rint(real), bottom, top).astype(dtype)
            return np.stack([table[values[:, channel]] for channel, table in enumerate(tables)], axis=1), 0
        found, clipped = np.empty(values.shape, dtype), 0
        for start in range(0, len(values), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            real = (values[part] / tops - means[:, None, None]) / (deviations[:, None, None] * scale)
            rounded = np.rint(real)
            clipped += int(((rounded < bottom) | (rounded > top)).sum())
            found[part] = np.clip(rounded, bottom, top).astype(dtype)
        return found, clipped

    trained, _ = codes(images)
    measured, clipped = codes(held_out)
    notes: tuple[str, ...] = ()
    if clipped:
        share = clipped / held_out.size
        notes = (f"{share:.2%} of the held-out values are beyond all of the training images: they are cut off there.",)
    return _Coded(trained, measured, scale, assumed, notes)


def _assumed(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation by channel where none are named: real values are taken as they are."""
    channels = images.shape[1]
    if images.dtype == np.float32:
        return np.zeros(channels), np.ones(channels)
    if images.dtype == np.uint8:
        return np.full(channels, _MEAN), np.full(channels, _DEVIATION)
    # Of 16 bits, cameras and scanners use a part.
    means = images.mean((0, 2, 3), np.float64) / _TOPS[images.dtype]
    deviations = images.std((0, 2, 3), np.float64) / _TOPS[images.dtype]
    return means, np.where(deviations > 0, deviations, 1)


def _by_channel(source: str, name: str, values: float | list[float], channels: int) -> np.ndarray:
    listed = np.atleast_1d(np.array(values, np.float64))
    if len(listed) not in (1, channels):
        raise UserError(
            f"Data '{source}': {name} has {len(listed)} numbers, and the images have {channels} channels: name one "
            "number for all, or one for each."
        )
    return np.broadcast_to(listed, channels)
