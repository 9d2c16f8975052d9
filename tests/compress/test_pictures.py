"""compress/pictures: what the picture of a map shows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from penni_escalate.compress import pictures
from penni_escalate.golden.functional import run_network
from tests.golden.random_layers import write_every_kind


@pytest.mark.parametrize(("layer", "shape", "factor"), [(None, (16, 12, 1), 1), ("decomposed6", (4, 3, 4), 2)])
def test_maps_of_any_size_stand_beside_their_image(
    layer: str | None, shape: tuple[int, int, int], factor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images of 8 x 6 pixels; a map twice as large, and one of half the size with a channel more than are shown."""
    monkeypatch.setattr(pictures, "_CHANNELS", 3)
    package = write_every_kind(tmp_path / "package", 1, "correlation", several=True)
    result = package.result_of(layer)
    assert result.maps is not None and result.maps.shape[1:] == shape
    image = np.asarray(Image.open(pictures.write_picture(tmp_path / "maps.png", package, layer)))
    height, width = max(shape[0], 8), max(shape[1], 6)
    channels = min(shape[2], 3)
    assert image.shape == (3 * height + 2 * 4, (1 + 2 * channels) * width + 2 * channels * 4, 3)
    codes = run_network(package, package.images)[result.layer]
    sigmoid = np.round(255 / (1 + np.exp(-result.scale * codes.astype(float))))
    for number in range(3):
        rows = slice(number * (height + 4), number * (height + 4) + height, factor)
        for channel in range(channels):
            for place, wanted in enumerate((result.maps, sigmoid)):
                left = (1 + 2 * channel + place) * (width + 4)
                shown = image[rows, left : left + width : factor, 1]
                assert np.array_equal(shown, 255 - wanted[number, ..., channel])
