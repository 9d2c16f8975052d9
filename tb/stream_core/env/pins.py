"""Pin level: time and reset, a driver and a monitor for a stream, the counters' port.

The classes are cocotb-bus's drivers and monitors. They wake at the rising edge: what they read there is what stood
right before it, and what they write stands right after it; cycles that equal the model's in both simulators rest on it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import RisingEdge
from cocotb.types import Logic
from cocotb.utils import get_sim_time
from cocotb_bus.drivers import BusDriver
from cocotb_bus.monitors import BusMonitor

from penni_escalate.tb.stream_core.env.problems import ProblemKind, ProblemLog
from penni_escalate.tb.stream_core.env.streams import Stream

PERIOD_NS = 10
#: The simulators' steps are picoseconds, see tb.base.simulator.TIMESCALE.
PERIOD_STEPS = PERIOD_NS * 1000
_NEVER = 1 << 62
_ONE = Logic("1")
#: Looked up by identity first: there is one object of each value.
_KNOWN = (_ONE, Logic("0"))

#: Whether a stream may begin to move in a cycle.
StallPattern = Callable[[int], bool]


class Beat(NamedTuple):
    """A transfer that happened: its cycle, and its ports as a word of the stream."""

    cycle: int
    word: int


class Timebase:
    """Clock, reset, and the number of a cycle: 0 is the first in which reset is off.

    Answers follow from the time alone, so it does not matter in which order the tasks of an edge wake.
    """

    def __init__(self, dut: HierarchyObject) -> None:
        self.dut = dut
        self.edge = RisingEdge(dut.clk_i)
        self._reset = dut.rst_i
        self._begin = _NEVER
        self._end = _NEVER

    def start(self) -> None:
        """Start the clock, in reset, with every input 0."""
        for name in dir(self.dut):
            if name.endswith("_i") and name != "clk_i":
                getattr(self.dut, name).value = 0
        self._reset.value = 1
        Clock(self.dut.clk_i, PERIOD_NS, unit="ns").start()

    @staticmethod
    def now() -> int:
        """Simulation time in steps."""
        return get_sim_time("step")

    async def cycles(self, count: int) -> None:
        """Wait; ends at a rising edge."""
        for _ in range(count):
            await self.edge

    @property
    def running(self) -> bool:
        """Reset is off in the cycle that is under way."""
        return self._begin != _NEVER and self._end == _NEVER

    @property
    def cycle(self) -> int:
        """Number of the cycle that is under way; at an edge, of the one that begins."""
        return (self.now() - self._begin) // PERIOD_STEPS

    def ended_cycle(self) -> int:
        """At an edge: number of the cycle that it ends; negative where reset was on in it."""
        now = self.now()
        return (now - self._begin) // PERIOD_STEPS - 1 if now <= self._end else -1

    def assert_reset(self) -> None:
        """Reset is on from now."""
        self._reset.value = 1
        self._end = self.now()

    async def release_reset(self, held: int = 2) -> None:
        """Hold reset for some cycles; ends at the edge at which cycle 0 begins."""
        await self.cycles(held)
        await self.edge
        self._reset.value = 0
        self._begin, self._end = self.now(), _NEVER


class StreamDriver(BusDriver):
    """Source of a stream into the core.

    A transaction is a burst: words that follow one another. In cycles that ``stall_pattern`` forbids it begins no
    transfer; what it has begun to offer it holds until it is taken. In reset it discards what it is given, so that
    sequences end.
    """

    def __init__(self, timebase: Timebase, stream: Stream) -> None:
        self._signals = stream.signals
        super().__init__(timebase.dut, stream.name, timebase.dut.clk_i, case_insensitive=False)
        self.timebase = timebase
        self.stall_pattern: StallPattern = self.always
        self._places = [(getattr(self.bus, name), offset, mask) for name, offset, mask in stream.places]
        self._last: list[int] = [0] * len(self._places)

    @staticmethod
    def always(cycle: int) -> bool:
        """Never stalls."""
        return True

    def put(self, word: int) -> None:
        """Set the data ports; those that do not change cost nothing."""
        for number, (handle, offset, mask) in enumerate(self._places):
            value = word >> offset & mask
            if value != self._last[number]:
                self._last[number] = value
                handle.value = value

    async def _driver_send(self, transaction: Sequence[int], sync: bool = False, **kwargs: object) -> None:
        # Whoever sends is awake at an edge, or in reset; waiting for another (sync) would cost a cycle.
        for word in transaction:
            if not await self._transfer(word):
                break
        self.bus.valid.value = 0

    async def _transfer(self, word: int) -> bool:
        """Offer one word until it is taken; returns whether it was, not aborted by a reset."""
        timebase = self.timebase
        while timebase.running and not self.stall_pattern(timebase.cycle):
            self.bus.valid.value = 0
            await timebase.edge
        if not timebase.running:
            return False
        self.put(word)
        self.bus.valid.value = 1
        while True:
            await timebase.edge
            taken = self.bus.ready.value is _ONE
            if taken or not timebase.running:
                return timebase.running
            await self.waiting(word)

    async def waiting(self, word: int) -> None:
        """Called at the edge after each cycle in which ``word`` was offered and not taken."""


class ReadyDriver(BusDriver):
    """Sink of a stream out of the core: takes in the cycles that ``stall_pattern`` allows."""

    def __init__(self, timebase: Timebase, stream: Stream) -> None:
        self._signals = {"ready": stream.signals["ready"]}
        super().__init__(timebase.dut, stream.name, timebase.dut.clk_i, case_insensitive=False)
        self.timebase = timebase

    async def _driver_send(self, transaction: StallPattern | None, sync: bool = False, **kwargs: object) -> None:
        """Follow a pattern until reset or the next pattern; None takes always and costs no time."""
        if transaction is None:
            self.bus.ready.value = 1
            return
        last = None
        while self.timebase.running and not self._sendQ:
            ready = transaction(self.timebase.cycle)
            if ready is not last:
                self.bus.ready.value = int(ready)
                last = ready
            await self.timebase.edge


class PinMonitor(BusMonitor):
    """Watches a stream: its callbacks get a Beat for each transfer.

    In every cycle without reset valid, ready and ``also`` must be 0 or 1; what is offered and not taken must be offered
    again, the same; the data ports of a transfer must be 0 or 1.
    """

    def __init__(self, timebase: Timebase, stream: Stream, problems: ProblemLog, also: Sequence[str] = ()) -> None:
        self._signals = stream.signals
        self.timebase = timebase
        self.stream = stream
        self.problems = problems
        self._also = [getattr(timebase.dut, name) for name in also]
        #: Cycles in which something was offered and not taken.
        self.waits = 0
        super().__init__(timebase.dut, stream.name, timebase.dut.clk_i, case_insensitive=False)

    async def _monitor_recv(self) -> None:
        timebase, edge = self.timebase, self.timebase.edge
        valid_pin, ready_pin = self.bus.valid, self.bus.ready
        pins = [getattr(self.bus, name) for name, _ in self.stream.fields]
        held: str | None = None
        while True:
            await edge
            cycle = timebase.ended_cycle()
            if cycle < 0:
                held = None
                continue
            valid, ready = valid_pin.value, ready_pin.value
            if valid not in _KNOWN or ready not in _KNOWN:
                self._unknown(cycle, f"valid is {valid}, ready is {ready}")
            for pin in self._also:
                if pin.value not in _KNOWN:
                    self._unknown(cycle, f"{pin._name} is {pin.value}")
            if valid is not _ONE:
                if held is not None:
                    self._unstable(cycle, f"offered {held}, withdrawn before it was taken")
                    held = None
                continue
            data = " ".join([str(pin.value) for pin in pins])
            if held is not None and data != held:
                self._unstable(cycle, f"offered {held}, changed to {data} before it was taken")
            if ready is not _ONE:
                held = data
                self.waits += 1
                continue
            held = None
            try:
                word = int(data.replace(" ", ""), 2)
            except ValueError:
                self._unknown(cycle, f"the data of a transfer is {data}")
                continue
            self._recv(Beat(cycle, word))

    def _unknown(self, cycle: int, text: str) -> None:
        self.problems.note(ProblemKind.UNKNOWN, f"stream {self.name}, cycle {cycle}: {text}")

    def _unstable(self, cycle: int, text: str) -> None:
        self.problems.note(ProblemKind.STABILITY, f"stream {self.name}, cycle {cycle}: {text}")


class CounterPort:
    """Reads the performance counters."""

    def __init__(self, timebase: Timebase) -> None:
        self._dut = timebase.dut
        self._timebase = timebase

    async def read(self, core: bool, block: int, index: int) -> int | None:
        """One counter; None where it is X. Ends at an edge."""
        self._dut.counter_core_i.value = int(core)
        self._dut.counter_block_i.value = block
        self._dut.counter_index_i.value = index
        # Two registers, and what stands before the edge is read.
        await self._timebase.cycles(3)
        value = self._dut.counter_o.value
        return int(value) if value.is_resolvable else None

    async def clear(self) -> None:
        """Set all counters to 0."""
        self._dut.counter_clear_i.value = 1
        await self._timebase.cycles(1)
        self._dut.counter_clear_i.value = 0
