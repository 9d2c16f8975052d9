"""Which kernel positions lie inside the image: at both of its edges."""

import pytest

from penni_escalate.compress.kinds.counting import places_inside
from penni_escalate.golden.geometry import Geometry


@pytest.mark.parametrize(
    ("padding", "stride", "lines", "columns"),
    [
        # Three output lines of four and five columns; the first and last see padding with one kernel line.
        (1, 1, [3, 4, 3], [4, 5, 4]),
        (0, 1, [2, 2, 2], [3, 3, 3]),
        # Every second place of the padded image: of four lines the last is met by no padding below.
        (1, 2, [1, 2, 2], [2, 3, 2]),
    ],
)
def test_places_by_hand(padding: int, stride: int, lines: list[int], columns: list[int]) -> None:
    g = Geometry(
        channels=1, height=4, width=5, kernels=1, kernel_height=3, kernel_width=3, stride=stride, padding=padding
    )
    assert places_inside(g).tolist() == [[line * column for column in columns] for line in lines]
