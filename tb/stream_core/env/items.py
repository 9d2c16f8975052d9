"""Sequence items: what sequences hand to drivers."""

from collections.abc import Sequence

from pyuvm import uvm_sequence_item

from penni_escalate.tb.stream_core.env.pins import StallPattern


class Burst(uvm_sequence_item):
    """Words of a stream that follow one another: parameters of a pass, or its input groups."""

    def __init__(self, name: str, words: Sequence[int], stall_pattern: StallPattern | None = None) -> None:
        super().__init__(name)
        self.words = tuple(words)
        self.stall_pattern = stall_pattern


class ReadyPattern(uvm_sequence_item):
    """In which cycles outputs are taken, until the next reset; None: always."""

    def __init__(self, name: str, stall_pattern: StallPattern | None) -> None:
        super().__init__(name)
        self.stall_pattern = stall_pattern
