"""Sequences: parameters, input groups and ready patterns of a run; the virtual sequence that joins them."""

from collections.abc import Mapping, Sequence

import cocotb
from pyuvm import uvm_sequence, uvm_sequencer

from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.stream_core.env.items import Burst, ReadyPattern
from penni_escalate.tb.stream_core.env.model import Expectation
from penni_escalate.tb.stream_core.env.pins import StallPattern
from penni_escalate.tb.stream_core.env.streams import Stream, kind_of

#: Kernels are chosen by the tables, so they come behind them.
_KERNELS = (LoadKind.BASIS, LoadKind.EXPONENTS)


class BurstSequence(uvm_sequence):
    """Bursts, one after the other."""

    def __init__(self, name: str, bursts: Sequence[Sequence[int]], stall_pattern: StallPattern | None) -> None:
        super().__init__(name)
        self._bursts = bursts
        self._stall_pattern = stall_pattern

    async def body(self) -> None:
        """Send them."""
        for words in self._bursts:
            item = Burst(self.get_name(), words, self._stall_pattern)
            await self.start_item(item)
            await self.finish_item(item)


class ReadySequence(uvm_sequence):
    """Sets the outputs' ready pattern."""

    def __init__(self, stall_pattern: StallPattern | None) -> None:
        super().__init__("ready")
        self._stall_pattern = stall_pattern

    async def body(self) -> None:
        """One item; it is done when the pattern has begun."""
        item = ReadyPattern("ready", self._stall_pattern)
        await self.start_item(item)
        await self.finish_item(item)


class RunSequence(uvm_sequence):
    """Virtual sequence of a run, begun at the edge at which cycle 0 begins; ends when the last word is taken.

    Tables and coefficients of a pass come from two agents at once, then its kernels, and then its PASS word.
    """

    def __init__(self, expectation: Expectation, sequencers: Mapping[str, uvm_sequencer], load: Stream) -> None:
        super().__init__(expectation.work.name)
        self._expectation = expectation
        self._to = sequencers
        self._load = load

    async def body(self) -> None:
        """Outputs, inputs and parameters side by side."""
        work = self._expectation.work
        await ReadySequence(work.stall_pattern("output")).start(self._to["outputs"])
        groups = BurstSequence("groups", self._inputs(), work.stall_pattern("input"))
        inputs = cocotb.start_soon(groups.start(self._to["activations"]))
        stall_pattern = work.stall_pattern("load")
        for words in self._expectation.loads:
            await self._start_pass(words, stall_pattern)
        await inputs

    def _inputs(self) -> list[tuple[int, ...]]:
        bursts, first = [], 0
        for tensor in self._expectation.work.inputs:
            count = tensor.maps.shape[0] * tensor.maps.shape[1]
            bursts.append(self._expectation.inputs[first : first + count])
            first += count
        return bursts

    async def _start_pass(self, words: Sequence[int], stall_pattern: StallPattern | None) -> None:
        *parameters, start = words
        kinds = [kind_of(self._load, word) for word in parameters]
        tables, coefficients, kernels = (
            [word for word, kind in zip(parameters, kinds, strict=True) if kind in chosen]
            for chosen in ((LoadKind.TABLE,), (LoadKind.COEFFICIENTS,), _KERNELS)
        )
        both = cocotb.start_soon(BurstSequence("weights", [coefficients], stall_pattern).start(self._to["weights"]))
        await BurstSequence("tables", [tables], stall_pattern).start(self._to["configuration"])
        await both
        await BurstSequence("kernels", [kernels], stall_pattern).start(self._to["weights"])
        await BurstSequence("pass", [[start]], stall_pattern).start(self._to["configuration"])
