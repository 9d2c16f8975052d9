"""Random images with random labels: for tests of networks whose real data is not at hand."""

import numpy as np

from penni_escalate.compress.data.dataset import SIGNED_SCALE, Data, check_limit

NAME = "synthetic"
_IMAGES_MAX = 100_000
_SIDE_MAX = 1024
_CHANNELS_MAX = 4096
_CLASSES_MAX = 100_000


def load_synthetic(
    seed: int,
    *,
    channels: int = 3,
    height: int = 32,
    width: int = 32,
    classes: int = 10,
    training: int = 64,
    held_out: int = 16,
) -> Data:
    """``training`` and ``held_out`` images of codes -128 .. 127, all equally likely; nothing can be learnt from them.

    Without labels where ``classes`` is 0.

    Raises UserError where a limit is out of range.
    """
    for limit, value, low, high in (
        ("channels", channels, 1, _CHANNELS_MAX),
        ("height", height, 1, _SIDE_MAX),
        ("width", width, 1, _SIDE_MAX),
        ("classes", classes, 0, _CLASSES_MAX),
        ("training", training, 1, _IMAGES_MAX),
        ("held_out", held_out, 1, _IMAGES_MAX),
    ):
        check_limit(NAME, limit, value, low, high)
    rng = np.random.default_rng(seed)
    parts = [
        (
            rng.integers(-128, 128, (count, channels, height, width), np.int8),
            rng.integers(0, max(classes, 1), count, np.int64),
        )
        for count in (training, held_out)
    ]
    (images, labels), (held_out_images, held_out_labels) = parts
    return Data(
        name=NAME,
        description="random images with random labels",
        images=images,
        labels=labels if classes else None,
        held_out_images=held_out_images,
        held_out_labels=held_out_labels if classes else None,
        scale=SIGNED_SCALE,
        classes=classes,
    )
