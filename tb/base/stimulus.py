"""Random stalls and random numbers for the unit benches."""

import random
from collections.abc import Iterable, Sequence


class Throttle:
    """In which cycles a stream may begin to move: free-running, stalled in a share of the cycles, or in bursts."""

    SHARES = (1.0, 1.0, 0.8, 0.5, 0.1, -1.0)
    LONGEST_BURST = 40

    def __init__(self, source: random.Random, shares: Sequence[float] = SHARES) -> None:
        """``shares`` of the cycles, one of which is drawn: 1 is free-running, -1 stands for bursts."""
        self._random = source
        self._share = source.choice(shares)
        self._go = True
        self._left = 0

    @property
    def free(self) -> bool:
        """Never stalls."""
        return self._share == 1.0

    @property
    def share(self) -> float:
        """Share of the cycles in which it may move."""
        return self._share if self._share > 0 else 0.5

    def __call__(self) -> bool:
        """Whether the stream may move in the next cycle."""
        if self._share == 1.0:
            return True
        if self._share > 0:
            return self._random.random() < self._share
        if self._left == 0:
            self._go = not self._go
            self._left = self._random.randint(1, self.LONGEST_BURST)
        self._left -= 1
        return self._go


class ValidSource:
    """A source that obeys the handshake: what it has begun to offer, it offers until it is taken."""

    def __init__(self, source: random.Random) -> None:
        self.throttle = Throttle(source)
        #: What is offered was offered before: it must not change.
        self.held = False

    def __call__(self, available: bool) -> bool:
        """Whether to offer in the coming cycle."""
        if not available:
            self.held = False
        elif not self.held:
            self.held = self.throttle()
        return self.held

    def taken(self) -> None:
        """The transfer has happened."""
        self.held = False


def extreme_word(source: random.Random, bits: int) -> int:
    """A word of random bits; one time in four all zeros, all ones, or a single one."""
    kind = source.randrange(12)
    if kind == 0:
        return 0
    if kind == 1:
        return (1 << bits) - 1
    if kind == 2:
        return 1 << source.randrange(bits)
    return source.getrandbits(bits)


def sparse_word(source: random.Random, bits: int, density: float) -> int:
    """A word whose bits are 1 with probability ``density``."""
    if density <= 0:
        return 0
    if density >= 1:
        return (1 << bits) - 1
    return sum(1 << bit for bit in range(bits) if source.random() < density)


def extreme_byte(source: random.Random) -> int:
    """0..255; half the time an extreme of the signed or the unsigned range."""
    return source.choice((0, 1, 127, 128, 255)) if source.random() < 0.5 else source.randrange(256)


def pack(values: Iterable[int], bits: int) -> int:
    """Values of ``bits`` bits, the first lowest; negative ones two's complement."""
    word = 0
    mask = (1 << bits) - 1
    for place, value in enumerate(values):
        word |= (int(value) & mask) << (bits * place)
    return word


def unpack(word: int, bits: int, count: int) -> list[int]:
    """Inverse of ``pack``, unsigned."""
    mask = (1 << bits) - 1
    return [(word >> (bits * place)) & mask for place in range(count)]
