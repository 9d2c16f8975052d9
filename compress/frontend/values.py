"""What the reader knows of a node: a constant, or where each number of an image's tensor comes from.

Every number of every tensor between layers has an id. An operation that only moves numbers (a reshape, a slice, a
concatenation, a shuffle of channels, a margin of zeros) is carried out on the ids, however it is spelt; what it did is
seen when a layer reads the result.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, fx

from penni_escalate.compress.frontend.program import Dropout
from penni_escalate.compress.graph import Ending

#: Id of a zero that no tensor has.
ZERO = -1
#: Id of a number that is below all others.
LOWEST = -2


@dataclass(frozen=True)
class Const:
    """A tensor that does not depend on the image; ``names`` are the program's parameters that it follows from."""

    value: Tensor
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Value:
    """A tensor of the image.

    Attributes:
        node: that gives it.
        shape: of one image's.
        tensor: the layer, or 'input', whose numbers it has, all of them in their order; None where it has others.
        ids: of its numbers, in its shape; None where ``tensor`` tells them.
        open: nothing but the nodes that lead here has seen the layer's output, so that it may become another.
        dropouts: what training drops of it.
        ending: what was done to the numbers at the network's end.
    """

    node: fx.Node
    shape: tuple[int, ...]
    tensor: str | None
    ids: Tensor | None = None
    open: bool = False
    dropouts: tuple[Dropout, ...] = ()
    ending: Ending = Ending.NONE


class Unknown:
    """What follows from something that was refused: nothing more is said of it."""


@dataclass(frozen=True)
class Picture:
    """Planes (K, H, W) as a choice of the channels of tensors of one size.

    Attributes:
        sources: the tensors, and their shape together (C, H, W).
        table: the channel of the concatenated sources that each plane shows, -1: zeros; (K,).
        stride: every so many pixels of it.
        pads: lines of zeros above, below, left and right.
        lowest: what stands there is below all numbers instead.
    """

    sources: tuple[str, ...]
    shape: tuple[int, int, int]
    table: Tensor
    stride: int
    pads: tuple[int, int, int, int]
    lowest: bool = False

    @property
    def whole(self) -> bool:
        """All channels of the sources, each once, and every pixel."""
        return (
            self.stride == 1
            and len(self.table) == self.shape[0]
            and bool(self.table.sort().values.eq(self._order).all())
        )

    @property
    def ordered(self) -> bool:
        """In their order."""
        return len(self.table) == self.shape[0] and bool(self.table.eq(self._order).all())

    @property
    def _order(self) -> Tensor:
        return torch.arange(len(self.table))


class Elements:
    """The ids of all tensors."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, int, int]] = {}
        self._first: dict[str, int] = {}
        self._next = 0

    def add(self, tensor: str, shape: tuple[int, int, int]) -> None:
        """Give ids to a new tensor (C, H, W)."""
        self.shapes[tensor] = shape
        self._first[tensor] = self._next
        self._next += shape[0] * shape[1] * shape[2]

    def ids(self, value: Value) -> Tensor:
        """Of a value's numbers, in its shape."""
        return self.of(value.tensor).reshape(value.shape) if value.tensor is not None else _present(value.ids)

    def of(self, tensor: str) -> Tensor:
        """Of a whole tensor, (C, H, W)."""
        shape, first = self.shapes[tensor], self._first[tensor]
        return torch.arange(first, first + shape[0] * shape[1] * shape[2]).reshape(shape)

    def sources(self, ids: Tensor) -> tuple[tuple[str, ...], Tensor]:
        """The tensors that these ids belong to, in the order in which they appear, and the number of each id's."""
        names = list(self._first)
        place = torch.bucketize(ids, torch.tensor([self._first[name] for name in names]), right=True) - 1
        order: list[int] = []
        for number in torch.unique_consecutive(place).tolist():
            if number not in order:
                order.append(number)
        lookup = torch.full((len(names),), -1)
        lookup[order] = torch.arange(len(order))
        return tuple(names[number] for number in order), lookup[place]

    def picture(self, ids: Tensor) -> Picture | None:
        """What planes (K, H, W) of ids show; None where that is no such choice."""
        inside = ids >= 0
        if not inside.any():
            return None
        top, below = _margins(inside.any(0).any(1))
        left, right = _margins(inside.any(0).any(0))
        core = ids[:, top : ids.shape[1] - below, left : ids.shape[2] - right]
        lowest = bool((ids == LOWEST).any())
        if lowest:
            around = ids.clone()
            around[:, top : ids.shape[1] - below, left : ids.shape[2] - right] = LOWEST
            if not bool((around == LOWEST).all()):
                return None
        first = core[:, 0, 0]
        real = first >= 0
        if not real.any():
            return None
        sources, which = self.sources(first[real])
        shapes = [self.shapes[name] for name in sources]
        if len({shape[1:] for shape in shapes}) > 1:
            return None
        _, height, width = shapes[0]
        starts = torch.tensor([self._first[name] for name in sources])
        channel = (first[real] - starts[which]) // (height * width)
        stride = _stride(core[real][0], width) or max(height, width)
        y, x = torch.arange(0, height, stride), torch.arange(0, width, stride)
        if core.shape[1:] != (len(y), len(x)):
            return None
        expected = torch.full_like(core, ZERO)
        corner = starts[which] + channel * height * width
        expected[real] = corner[:, None, None] + y[:, None] * width + x
        if not torch.equal(core, expected):
            return None
        offsets = torch.tensor([0, *(shape[0] for shape in shapes)]).cumsum(0)
        table = torch.full((len(first),), ZERO)
        table[real] = offsets[which] + channel
        shape = (int(offsets[-1]), height, width)
        return Picture(sources, shape, table, stride, (top, below, left, right), lowest)

    def copied(self, ids: Tensor) -> Tensor | None:
        """The one pixel (C, 1, 1) that planes (C, H, W) of ids show everywhere; None where they show several."""
        if ids.dim() != 3 or ids[0].numel() < 2:
            return None
        pixel = ids[:, :1, :1]
        return pixel if bool((ids == pixel).all()) else None

    def row(self, ids: Tensor) -> tuple[tuple[str, ...], Tensor] | None:
        """Of a vector (L,) of ids: the tensors that it has all numbers of, and the place of each in their order.

        The tensors' order is that of their channels, concatenated, each channel line by line; a number may be there
        several times. None where it is not such.
        """
        if (ids < 0).any():
            return None
        sources, _ = self.sources(ids)
        if len({self.shapes[name][1:] for name in sources}) > 1:
            return None
        whole = torch.cat([self.of(name).flatten() for name in sources])
        order = whole.argsort()
        found = torch.searchsorted(whole[order], ids)
        places = order[found.clamp_max(len(whole) - 1)]
        return (sources, places) if torch.equal(whole[places], ids) and len(places.unique()) == len(whole) else None


def _present(ids: Tensor | None) -> Tensor:
    assert ids is not None
    return ids


def _margins(inside: Tensor) -> tuple[int, int]:
    """Lines before the first and after the last one that is inside."""
    places = torch.nonzero(inside)[:, 0]
    return int(places[0]), len(inside) - 1 - int(places[-1])


def _stride(plane: Tensor, width: int) -> int | None:
    """Pixels from one to the next in a plane of a tensor of this width; None where there is one pixel."""
    if plane.shape[1] > 1:
        return max(int(plane[0, 1] - plane[0, 0]), 1)
    if plane.shape[0] > 1:
        return max(int(plane[1, 0] - plane[0, 0]) // width, 1)
    return None
