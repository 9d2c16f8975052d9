"""Agents: configuration and weights, which share the load port through an arbiter, activations, and outputs.

A driver turns an item into words (``words``) and hands them to a bus driver of the pin level. Both are places where a
test injects errors, by a factory override.
"""

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from cocotb.triggers import Event
from pyuvm import uvm_agent, uvm_analysis_port, uvm_component, uvm_driver, uvm_monitor, uvm_sequencer

from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.stream_core.env.items import Burst, ReadyPattern
from penni_escalate.tb.stream_core.env.pins import Beat, PinMonitor, ReadyDriver, StreamDriver, Timebase
from penni_escalate.tb.stream_core.env.problems import ProblemLog
from penni_escalate.tb.stream_core.env.streams import Stream, kind_of

#: Key in pyuvm's ConfigDB of the Context.
CONTEXT = "CONTEXT"


@dataclass(frozen=True)
class Context:
    """What every component of a test shares.

    Attributes:
        streams: by name.
        seed: of what components draw.
    """

    timebase: Timebase
    problems: ProblemLog
    streams: Mapping[str, Stream]
    seed: int


def context_of(component: uvm_component) -> Context:
    """The context that the test has set."""
    return component.cdb_get(CONTEXT)


class StreamMonitor(uvm_monitor):
    """Makes transactions of a stream's transfers: a Beat each."""

    #: Which stream of the context, and further pins that must be 0 or 1 in every cycle.
    stream: ClassVar[str]
    also: ClassVar[tuple[str, ...]] = ()

    def build_phase(self) -> None:
        """The port that beats leave by, and the pins."""
        context = context_of(self)
        self.ap = uvm_analysis_port("ap", self)
        self.bus = PinMonitor(context.timebase, context.streams[self.stream], context.problems, self.also)

    def connect_phase(self) -> None:
        """From now on every transfer is reported."""
        self.bus.add_callback(self.observe)

    def observe(self, beat: Beat) -> None:
        """A transfer happened."""
        self.ap.write(beat)


class LoadMonitor(StreamMonitor):
    """Watches the load port."""

    stream = "load"


class InputMonitor(StreamMonitor):
    """Watches input groups."""

    stream = "input"


class OutputMonitor(StreamMonitor):
    """Watches output groups, and busy."""

    stream = "output"
    also = ("busy_o",)


class LoadPort(uvm_component):
    """The load port: its monitor, and the arbiter between the agents that write through it.

    Words of a pass may come in any order, so the arbiter draws the requester anew for each word.
    """

    def build_phase(self) -> None:
        """Driver and monitor of the pins."""
        context = context_of(self)
        self.monitor = LoadMonitor.create("monitor", self)
        self.bus = StreamDriver(context.timebase, context.streams["load"])
        self._random = random.Random(f"{context.seed} arbiter")
        self._requests: list[tuple[deque[int], Event]] = []
        self._wake = Event()

    async def send(self, burst: Burst, words: Sequence[int]) -> None:
        """Send words, mixed with those of other requesters; returns when the last is taken, or reset is on."""
        done = Event()
        self.bus.stall_pattern = burst.stall_pattern or self.bus.always
        self._requests.append((deque(words), done))
        self._wake.set()
        await done.wait()

    async def run_phase(self) -> None:
        """Arbitrate."""
        while True:
            while not self._requests:
                self._wake.clear()
                await self._wake.wait()
            request = self._random.choice(self._requests)
            words, done = request
            if words:
                await self.bus.send((words.popleft(),))
            if not words:
                self._requests.remove(request)
                done.set()


class LoadDriver(uvm_driver):
    """Hands parameter words to the arbiter."""

    def build_phase(self) -> None:
        """The load port is the environment's."""
        self.port: LoadPort = self.cdb_get("LOAD_PORT")

    def words(self, item: Burst) -> Sequence[int]:
        """What is sent for an item."""
        return item.words

    async def run_phase(self) -> None:
        """Send item after item."""
        while True:
            item = await self.seq_item_port.get_next_item()
            await self.port.send(item, self.words(item))
            self.seq_item_port.item_done()


class ConfigurationDriver(LoadDriver):
    """Drives PASS and TABLE words."""


class WeightDriver(LoadDriver):
    """Drives COEFFICIENTS, BASIS and EXPONENTS words."""


class ActivationDriver(uvm_driver):
    """Drives input groups."""

    #: The pin level's class.
    bus_type: ClassVar[type[StreamDriver]] = StreamDriver

    def build_phase(self) -> None:
        """The pins."""
        context = context_of(self)
        self.stream = context.streams["input"]
        self.bus = self.bus_type(context.timebase, self.stream)

    def words(self, item: Burst) -> Sequence[int]:
        """What is sent for an item."""
        return item.words

    async def run_phase(self) -> None:
        """Send item after item."""
        while True:
            item = await self.seq_item_port.get_next_item()
            self.bus.stall_pattern = item.stall_pattern or self.bus.always
            await self.bus.send(self.words(item))
            self.seq_item_port.item_done()


class ReadyPatternDriver(uvm_driver):
    """Drives the outputs' ready."""

    def build_phase(self) -> None:
        """The pins."""
        context = context_of(self)
        self.bus = ReadyDriver(context.timebase, context.streams["output"])

    async def run_phase(self) -> None:
        """Follow pattern after pattern; an item is done when its pattern has begun."""
        while True:
            item: ReadyPattern = await self.seq_item_port.get_next_item()
            self.bus.append(item.stall_pattern)
            self.seq_item_port.item_done()


class KindMonitor(uvm_monitor):
    """The words of some kinds, of all that pass through the load port."""

    kinds: ClassVar[frozenset[LoadKind]]

    def build_phase(self) -> None:
        """The port that words leave by."""
        self.ap = uvm_analysis_port("ap", self)
        self.stream = context_of(self).streams["load"]
        self.port: LoadPort = self.cdb_get("LOAD_PORT")

    def connect_phase(self) -> None:
        """Listen at the load port."""
        self.port.monitor.bus.add_callback(self.observe)

    def observe(self, beat: Beat) -> None:
        """A word was taken."""
        if kind_of(self.stream, beat.word) in self.kinds:
            self.ap.write(beat)


class ConfigurationMonitor(KindMonitor):
    """PASS and TABLE words."""

    kinds = frozenset({LoadKind.PASS, LoadKind.TABLE})


class WeightMonitor(KindMonitor):
    """COEFFICIENTS, BASIS and EXPONENTS words."""

    kinds = frozenset({LoadKind.COEFFICIENTS, LoadKind.BASIS, LoadKind.EXPONENTS})


class StreamAgent(uvm_agent):
    """Sequencer, driver and monitor.

    Attributes:
        label: what sequences and the hierarchy call it.
        stream: whose transfers its monitor gives to the scoreboard.
    """

    label: ClassVar[str]
    stream: ClassVar[str]
    driver_type: ClassVar[type[uvm_driver]]
    monitor_type: ClassVar[type[uvm_monitor]]

    def build_phase(self) -> None:
        """The three parts; a passive agent has a monitor only."""
        super().build_phase()
        self.monitor = self.monitor_type.create("monitor", self)
        if self.active():
            self.sequencer = uvm_sequencer("sequencer", self)
            self.driver = self.driver_type.create("driver", self)

    def connect_phase(self) -> None:
        """The driver takes its items from the sequencer."""
        if self.active():
            self.driver.seq_item_port.connect(self.sequencer.seq_item_export)


class ConfigurationAgent(StreamAgent):
    """PASS and TABLE transfers."""

    label, stream = "configuration", "load"
    driver_type = ConfigurationDriver
    monitor_type = ConfigurationMonitor


class WeightAgent(StreamAgent):
    """COEFFICIENTS, BASIS and EXPONENTS transfers."""

    label, stream = "weights", "load"
    driver_type = WeightDriver
    monitor_type = WeightMonitor


class ActivationAgent(StreamAgent):
    """Input groups."""

    label, stream = "activations", "input"
    driver_type = ActivationDriver
    monitor_type = InputMonitor


class OutputAgent(StreamAgent):
    """Ready pattern and output groups."""

    label, stream = "outputs", "output"
    driver_type = ReadyPatternDriver
    monitor_type = OutputMonitor


#: Every agent of the environment; a new interface is one more, and its stream.
AGENTS: tuple[type[StreamAgent], ...] = (ConfigurationAgent, WeightAgent, ActivationAgent, OutputAgent)
