"""compress/frontend/values: what a layer sees of numbers that were moved."""

import torch
from torch import Tensor
from torch.nn import functional

from penni_escalate.compress.frontend.values import ZERO, Elements


def elements() -> Elements:
    """Tensors of 3 and 2 channels of 4 x 6 pixels, and one of another size."""
    made = Elements()
    made.add("a", (3, 4, 6))
    made.add("b", (2, 4, 6))
    made.add("small", (4, 2, 2))
    return made


def zeros(*shape: int) -> Tensor:
    return torch.full(shape, ZERO)


def test_channels_and_strides_and_margins() -> None:
    found = elements()
    a, b = found.of("a"), found.of("b")
    whole = found.picture(torch.cat([b, a]))
    assert whole is not None and whole.sources == ("b", "a") and whole.ordered and whole.whole
    mixed = found.picture(torch.cat([a[1:2], b, a[2:], a[:1]]))
    assert mixed is not None and mixed.table.tolist() == [1, 3, 4, 2, 0] and mixed.whole and not mixed.ordered
    part = found.picture(functional.pad(torch.cat([a[2:, ::2, ::2], zeros(1, 2, 3)]), (1, 2, 3, 4), value=ZERO))
    assert part is not None and part.table.tolist() == [2, ZERO] and part.stride == 2 and part.pads == (3, 4, 1, 2)
    assert not part.whole
    pixel = found.picture(found.of("small")[:, :1, :1])
    assert pixel is not None and pixel.stride == 2


def test_what_is_no_picture() -> None:
    found = elements()
    a = found.of("a")
    for ids in (
        a[:, 1:], a.flip(2), a.transpose(1, 2), a[:, ::2], torch.cat([a, a], 1), a.reshape(3, 6, 4), zeros(2, 4, 6),
        torch.cat([found.of("small")[:, :, :1].expand(4, 2, 6), found.of("small")[:, :, :1].expand(4, 2, 6)], 1),
        torch.cat([a[:1], a[1:2].flip(1)]),
    ):  # fmt: skip
        assert found.picture(ids) is None


def test_rows() -> None:
    found = elements()
    a, b = found.of("a").flatten(), found.of("b").flatten()
    sources, places = found.row(torch.cat([b, a]))  # type: ignore[misc]
    assert sources == ("b", "a") and places.tolist() == list(range(120))
    sources, places = found.row(found.of("a").permute(1, 2, 0).flatten())  # type: ignore[misc]
    assert sources == ("a",) and places[:4].tolist() == [0, 24, 48, 1]
    assert found.row(torch.cat([a, a]))[1].tolist() == [*range(72), *range(72)]  # type: ignore[index]
    for ids in (a[:-1], torch.cat([a, zeros(1)]), torch.cat([a, found.of("small").flatten()])):
        assert found.row(ids) is None
