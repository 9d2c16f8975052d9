"""compress/data/coding: codes of pixels by mean and deviation, and what does not fit."""

from typing import Any

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data.coding import coded_data
from penni_escalate.compress.data.dataset import Data, signed_codes

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def pixels(kind: Any, channels: int = 3, top: int = 255) -> np.ndarray:
    drawn = np.random.default_rng(1).integers(0, top + 1, (6, channels, 5, 7))
    drawn[0, :, 0, :2] = [0, top]
    return drawn.astype(kind)


def coded(images: np.ndarray, held_out: np.ndarray | None = None, **options: Any) -> Data:
    held = images if held_out is None else held_out
    return coded_data("mine", (images, None), (held, None), description="", **options)


def test_pixels_without_mean_are_within_two() -> None:
    data = coded(pixels(np.uint8))
    assert np.array_equal(data.images, signed_codes(pixels(np.uint8)))
    assert data.scale == pytest.approx(1 / 64) and data.assumed


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_mean_and_deviation_of_each_channel(kind: Any, top: int) -> None:
    """code * scale is what torchvision's ToTensor and Normalize give, to half a code; nothing is cut off."""
    images = pixels(kind, top=top)
    data = coded(images, mean=MEAN, deviation=DEVIATION)
    real = (images / top - np.array(MEAN)[:, None, None]) / np.array(DEVIATION)[:, None, None]
    assert data.images.dtype == np.int8 and not data.assumed
    assert np.abs(data.images * data.scale - real).max() <= data.scale / 2 + 1e-9
    assert data.scale == pytest.approx(real.max() / 127)


def test_pixels_of_to_tensor_are_kept_exactly() -> None:
    data = coded(pixels(np.uint8, 1), mean=0, deviation=1)
    assert np.array_equal(data.images, pixels(np.uint8, 1)) and data.scale == 1 / 255


def test_sixteen_bits_of_which_twelve_are_used() -> None:
    """The codes are spread over what is used."""
    data = coded(pixels(np.uint16, 1, top=4095))
    assert len(np.unique(data.images)) > 60 and data.images.min() == -128 and data.assumed
    assert abs(float((data.images * data.scale).std()) - 1) < 0.05


def test_real_values_are_taken_as_they_are() -> None:
    images = np.random.default_rng(2).normal(0, 3, (6, 5, 4, 4)).astype(np.float32)
    data = coded(images)
    assert np.abs(data.images * data.scale - images).max() <= data.scale / 2 + 1e-6 and not data.assumed
    positive = coded(np.abs(images))
    assert positive.images.dtype == np.uint8 and positive.images.max() == 255


def test_what_is_cut_off_is_said() -> None:
    images = np.ones((2, 1, 2, 2), np.float32)
    held_out = np.array([[[[1, 1], [1, 9]]]], np.float32)
    data = coded(images, held_out)
    assert data.held_out_images.max() == 255
    assert data.notes == (
        "25.00% of the held-out values are beyond all of the training images: they are cut off there.",
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mean": 0.5}, "Data 'mine' needs 'mean' and 'deviation' together: name both or none."),
        ({"mean": [0.5, 0.5], "deviation": 1}, "mean has 2 numbers, and the images have 3 channels"),
        ({"mean": 123.7, "deviation": 58.4}, "mean is 123.7: of pixels it must be between 0 and 1, a share of"),
        ({"mean": 0.5, "deviation": [1, 0, 1]}, "deviation is [1, 0, 1]: it must be above 0."),
    ],
)
def test_what_does_not_fit(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        coded(pixels(np.uint8), **options)
    assert sentence in str(caught.value)


def test_images_of_nothing() -> None:
    with pytest.raises(UserError, match="every training image is 0"):
        coded(np.zeros((2, 1, 3, 3), np.float32))
