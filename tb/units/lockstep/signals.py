"""A unit's ports inside the simulator: one packed word in, one out."""

import re
from collections.abc import Mapping

from cocotb.handle import HierarchyObject, Immediate


class UnresolvedError(Exception):
    """A port that the bench reads holds X or Z."""


class Sample:
    """The outputs of one cycle, by port name."""

    __slots__ = ("_fields", "_text", "_word")

    def __init__(self, text: str, fields: Mapping[str, tuple[int, int]]) -> None:
        self._text = text
        self._fields = fields
        try:
            self._word: int | None = int(text, 2)
        except ValueError:
            self._word = None

    def __getitem__(self, name: str) -> int:
        """Value of a port. Raises UnresolvedError where it holds X or Z."""
        offset, width = self._fields[name]
        if self._word is not None:
            return (self._word >> offset) & ((1 << width) - 1)
        bits = self.bits(name)
        try:
            return int(bits, 2)
        except ValueError:
            raise UnresolvedError(f"{name} is {bits}") from None

    @property
    def resolved(self) -> bool:
        """No output holds X or Z."""
        return self._word is not None

    def bits(self, name: str) -> str:
        """A port's bits, the highest first."""
        offset, width = self._fields[name]
        end = len(self._text) - offset
        return self._text[end - width : end]

    def describe(self) -> str:
        """All outputs, hexadecimal, or their bits where they do not resolve."""
        parts = []
        for name in self._fields:
            bits = self.bits(name)
            parts.append(f"{name}={int(bits, 2):x}" if not re.search("[^01]", bits) else f"{name}={bits}")
        return " ".join(parts)


class UnitSignals:
    """Handles of one instance in the wrapper, kept because looking them up costs more than a cycle."""

    def __init__(self, dut: HierarchyObject, name: str, layout: Mapping[str, list[tuple[str, int, int]]]) -> None:
        self._in = getattr(dut, f"{name}_in")
        self._out = getattr(dut, f"{name}_out")
        self.enable = getattr(dut, f"{name}_enable")
        self.inputs = {field: (offset, width) for field, offset, width in layout["inputs"]}
        self.outputs = {field: (offset, width) for field, offset, width in layout["outputs"]}
        self.input_bits = sum(width for _, width in self.inputs.values())

    def write(self, values: Mapping[str, int]) -> None:
        """Set the inputs of the coming cycle; those that are not named are 0, negative ones two's complement."""
        word = 0
        for name, value in values.items():
            offset, width = self.inputs[name]
            word |= (value & ((1 << width) - 1)) << offset
        self.write_word(word)

    def write_word(self, word: int) -> None:
        """Set the inputs of the coming cycle from their packed word."""
        # The wrapper reads the word at the clock edge only, so it may change at once.
        self._in.set(Immediate(word))

    def read(self) -> Sample:
        """The outputs now."""
        return Sample(str(self._out.value), self.outputs)
