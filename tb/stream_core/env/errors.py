"""Components that do something wrong on purpose; negative tests put them in the place of the right ones.

Each does it once in a test, at the item or beat that makes it certain that it matters. Beside them stands what the
scoreboard then must see: errors at words, and the work that the core does instead of what was meant.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from cocotb.types import Logic

from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.stream_core.env.agents import (
    ActivationDriver,
    ConfigurationDriver,
    OutputMonitor,
    WeightDriver,
    context_of,
)
from penni_escalate.tb.stream_core.env.items import Burst
from penni_escalate.tb.stream_core.env.model import Expectation, counters_of
from penni_escalate.tb.stream_core.env.pins import Beat, StreamDriver
from penni_escalate.tb.stream_core.env.problems import ProblemKind
from penni_escalate.tb.stream_core.env.streams import kind_of
from penni_escalate.tb.stream_core.env.work import Work


def differing(meant: Sequence[object], seen: Sequence[object]) -> int:
    """In how many places two sequences differ, up to the end of the shorter."""
    return sum(a != b for a, b in zip(meant, seen, strict=False))


def consequences(meant: Expectation, done: Expectation) -> Counter[ProblemKind]:
    """The problems of a run in which a core that is right does other work than was meant."""
    loads = [[Counter(words) for words in expectation.loads] for expectation in (meant, done)]
    counters = [list(counters_of(expectation).values()) for expectation in (meant, done)]
    found = Counter(
        {
            ProblemKind.LOAD: differing(*loads),
            ProblemKind.INPUT: differing(meant.inputs, done.inputs),
            ProblemKind.VALUE: differing(meant.outputs, done.outputs),
            ProblemKind.CYCLE: differing(meant.cycles or (), done.cycles or ()),
            ProblemKind.COUNTER: differing(*counters),
        }
    )
    return +found


def second_dropped(items: Sequence[int]) -> list[int]:
    """All but the second."""
    return [*items[:1], *items[2:]]


def second_repeated(items: Sequence[int]) -> list[int]:
    """All, the second twice."""
    return [*items[:2], *items[1:]]


def with_pixels(work: Work, pixels: Sequence[int]) -> Work:
    """The work with these pixels, in this order, as the first pass's input."""
    first = work.inputs[0]
    chosen = replace(first, maps=first.maps[list(pixels)], values=first.values[list(pixels)])
    return replace(work, inputs=(chosen, *work.inputs[1:]))


def flipped(work: Work) -> Work:
    """The work as FlippingDriver drives it."""
    first = work.inputs[0]
    values = first.values.copy()
    values[..., 0] ^= np.where(first.maps.any(axis=-1), 0x80, 0).astype(np.uint8)
    return replace(work, inputs=(replace(first, values=values), *work.inputs[1:]))


def misweighted(work: Work) -> Work:
    """The work as WrongWeightDriver drives it."""
    first = work.passes[0]
    kernels = first.kernels.copy()
    kernels[:, 0] = ~kernels[:, 0]
    return replace(work, passes=(replace(first, kernels=kernels), *work.passes[1:]))


class OnceActivationDriver(ActivationDriver):
    """Changes the groups of the first pass."""

    def build_phase(self) -> None:
        """The pins."""
        super().build_phase()
        self._done = False

    def words(self, item: Burst) -> Sequence[int]:
        """The item's words, changed in the first."""
        if self._done:
            return item.words
        self._done = True
        return self.change(list(item.words))

    def change(self, words: list[int]) -> list[int]:
        """Make the error."""
        raise NotImplementedError


class DroppingDriver(OnceActivationDriver):
    """Leaves out the second group: with one group a pixel the pass lacks a pixel and never ends."""

    def change(self, words: list[int]) -> list[int]:
        """Drop it."""
        return second_dropped(words)


class TrailingDriver(ConfigurationDriver):
    """Sends a TABLE word behind each PASS word: the last belongs to no pass."""

    def build_phase(self) -> None:
        """The load port."""
        super().build_phase()
        self._load = context_of(self).streams["load"]
        self._table = 0

    def words(self, item: Burst) -> Sequence[int]:
        """The item's words, and after PASS the last TABLE word before it."""
        tables = [word for word in item.words if kind_of(self._load, word) == LoadKind.TABLE]
        if tables:
            self._table = tables[-1]
            return item.words
        return (*item.words, self._table)


class RepeatingDriver(OnceActivationDriver):
    """Sends the second group twice."""

    def change(self, words: list[int]) -> list[int]:
        """Repeat it."""
        return second_repeated(words)


class FlippingDriver(OnceActivationDriver):
    """Flips the highest bit of a packed code in every group that has one."""

    def change(self, words: list[int]) -> list[int]:
        """Flip bit 7 of lane 0."""
        return [word ^ 0x80 if self.stream.unpack(word)["map"] else word for word in words]


class WrongWeightDriver(WeightDriver):
    """Inverts the bits of basis kernel 0 in the first pass."""

    def build_phase(self) -> None:
        """The load port."""
        super().build_phase()
        self.stream = context_of(self).streams["load"]
        self._done = False

    def words(self, item: Burst) -> Sequence[int]:
        """The item's words, those of its basis inverted in row 0."""
        kernels = [kind_of(self.stream, word) == LoadKind.BASIS for word in item.words]
        if self._done or not any(kernels):
            return item.words
        self._done = True
        return [word ^ 0xFF if kernel else word for word, kernel in zip(item.words, kernels, strict=True)]


class OnceStreamDriver(StreamDriver):
    """Breaks the handshake once, after the first cycle in which a word waits; a subclass says how.

    That is cycle 0: the core takes no input before its first pass is started, so it does not see what is broken.
    """

    broken = False

    async def waiting(self, word: int) -> None:
        """Break it."""
        if not self.broken:
            self.broken = True
            await self.break_handshake(word)

    async def break_handshake(self, word: int) -> None:
        """Make the error."""
        raise NotImplementedError


class UnstableStreamDriver(OnceStreamDriver):
    """Changes what it offers for a cycle, then changes it back."""

    async def break_handshake(self, word: int) -> None:
        """A bit of the values flips."""
        self.put(word ^ 1)
        await self.timebase.edge
        self.put(word)


class WithdrawingStreamDriver(OnceStreamDriver):
    """Withdraws what it offers for a cycle."""

    async def break_handshake(self, word: int) -> None:
        """Valid falls and rises."""
        self.bus.valid.value = 0
        await self.timebase.edge
        self.bus.valid.value = 1


class UnknownStreamDriver(OnceStreamDriver):
    """Valid is X for a cycle; only a simulator with X shows it."""

    async def break_handshake(self, word: int) -> None:
        """Valid is unknown, and known again."""
        self.bus.valid.value = Logic("X")
        await self.timebase.edge
        self.bus.valid.value = 1


class UnstableDriver(ActivationDriver):
    """Drives activations that do not stand still."""

    bus_type = UnstableStreamDriver


class WithdrawingDriver(ActivationDriver):
    """Drives activations that are withdrawn."""

    bus_type = WithdrawingStreamDriver


class UnknownDriver(ActivationDriver):
    """Drives an unknown valid."""

    bus_type = UnknownStreamDriver


class LosingMonitor(OutputMonitor):
    """Loses the second output group, as if the core had not given it."""

    def build_phase(self) -> None:
        """Nothing lost yet."""
        super().build_phase()
        self._seen = 0

    def observe(self, beat: Beat) -> None:
        """Report all but the second."""
        self._seen += 1
        if self._seen != 2:
            super().observe(beat)


class InventingMonitor(OutputMonitor):
    """Reports the last output group of a pass twice."""

    def observe(self, beat: Beat) -> None:
        """Report, and once more."""
        super().observe(beat)
        if self.bus.stream.unpack(beat.word)["last"]:
            super().observe(beat)


class LateMonitor(OutputMonitor):
    """Reports a cycle too late."""

    def observe(self, beat: Beat) -> None:
        """Report."""
        super().observe(beat._replace(cycle=beat.cycle + 1))
