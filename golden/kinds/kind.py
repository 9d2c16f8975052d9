"""What a kind of layer is: its fields and arrays in a package, its layer, and how the stream core runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penni_escalate.golden.archive import Wanted
from penni_escalate.golden.entries import LayerEntry
from penni_escalate.golden.kinds.convolution import Convolution
from penni_escalate.golden.layers import Layer, LayerKind, Requantized


@dataclass(frozen=True)
class Array:
    """An array of a layer's file.

    Attributes:
        shape: a letter an axis: K output channels, C input channels, M basis kernels, R x S kernel.
        low, high: range of the values.
    """

    name: str
    dtype: type[np.generic]
    shape: str
    low: int
    high: int

    def wanted(self, entry: LayerEntry) -> Wanted:
        """The array of a layer's file, with its shape in numbers."""
        letters = {
            "K": entry.kernels,
            "C": entry.channels,
            "M": entry.basis,
            "R": entry.kernel_height,
            "S": entry.kernel_width,
        }
        return Wanted(self.name, self.dtype, tuple(letters[letter] for letter in self.shape), self.low, self.high)


def ternary(shape: str) -> Array:
    """The array of ternary coefficients."""
    return Array("coefficients", np.int8, shape, -1, 1)


def kernels(shape: str) -> Array:
    """The array of 8-bit kernels."""
    return Array("basis", np.int8, shape, -128, 127)


BIAS = Array("bias", np.int32, "K", -(2**31), 2**31 - 1)
EXPONENT = Array("exponent", np.uint8, "M", 0, 7)
#: Of every layer with a skip tensor.
SKIP = (Array("skip_value", np.uint8, "K", 0, 127), Array("skip_exponent", np.uint8, "K", 0, 7))
#: Of every layer whose accumulator is requantized.
REQUANTIZATION = (
    BIAS,
    Array("multiplier", np.uint16, "K", 0, 2**16 - 1),
    Array("shift", np.uint8, "K", 1, 47),
)


def _no_rule(entry: LayerEntry) -> None:
    """Nothing beside what all kinds obey."""


def _kernel(entry: LayerEntry) -> tuple[int, int]:
    return entry.kernel_height, entry.kernel_width


def _arrays_alone(entry: LayerEntry, arrays: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
    return arrays


@dataclass(frozen=True)
class Kind:
    """One kind of layer.

    Attributes:
        layer: its class, which holds the functional model and the sums of the overflow proof.
        own_arrays: beside those of every layer with a requantization.
        values: manifest fields without a choice.
        choices: manifest fields with fewer values than those of all kinds.
        least: manifest fields of which the kind needs at least so many.
        rule: raises ValueError where an entry breaks a rule of the kind's own, between several fields.
        kernel: height and width of the kernel.
        fields: fields of ``layer`` beside those of all kinds, from the manifest's entry and ``own_arrays``.
        channelwise: output channel k comes from input channel k.
        enlarges: it has a factor.
        logits: it gives logits, and is a result that no layer reads.
        since: version of the format that has it first.
        on_core: a layer in the form that the stream core runs, or why it does not; None where it does not run the kind.
    """

    name: LayerKind
    layer: type[Layer]
    own_arrays: tuple[Array, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)
    choices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)
    rule: Callable[[LayerEntry], None] = _no_rule
    kernel: Callable[[LayerEntry], tuple[int, int]] = _kernel
    fields: Callable[[LayerEntry, Mapping[str, np.ndarray]], Mapping[str, Any]] = _arrays_alone
    channelwise: bool = False
    enlarges: bool = False
    logits: bool = False
    since: int = 2
    on_core: Callable[[Any], Convolution | str] | None = None

    @property
    def requantized(self) -> bool:
        """It has an accumulator that is requantized, and may add a skip tensor."""
        return issubclass(self.layer, Requantized)

    @property
    def hands_on(self) -> bool:
        """It hands its source's codes on: no arrays, and the number format stays."""
        return not self.arrays

    @property
    def fixed(self) -> Mapping[str, int]:
        """Manifest fields without a choice, those of all kinds too."""
        return self.values if self.enlarges else {**self.values, "factor": 1}

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All arrays of a layer without a skip tensor."""
        return (*(REQUANTIZATION if self.requantized else ()), *self.own_arrays)

    @property
    def phrase(self) -> str:
        """The kind with its article."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"

    def check(self, entry: LayerEntry) -> None:
        """Raises ValueError, naming field, value and rule, where an entry of this kind breaks a rule."""
        for name, needed in self.fixed.items():
            if getattr(entry, name) != needed:
                found = getattr(entry, name)
                found = list(found) if isinstance(found, tuple) else found
                raise ValueError(f"field '{name}' is {found}: {self.phrase}'s is {needed}")
        for name, choices in self.choices.items():
            if getattr(entry, name) not in choices:
                listed = ", ".join(map(str, choices))
                raise ValueError(f"field '{name}' is {getattr(entry, name)}: {self.phrase}'s is one of {listed}")
        for name, least in self.least.items():
            if getattr(entry, name) < least:
                raise ValueError(f"field '{name}' is {getattr(entry, name)}: {self.phrase}'s is at least {least}")
        self.rule(entry)
        if self.channelwise and entry.kernels != entry.channels:
            raise ValueError(
                f"field 'kernels' is {entry.kernels}: {self.phrase} has as many as channels ({entry.channels})"
            )
        if entry.skip is not None and not self.requantized:
            raise ValueError(
                f"field 'skip' is '{entry.skip}': {self.phrase} has no accumulator to add it into, use null"
            )
        for name in ("file", "sha256"):
            value = getattr(entry, name)
            if self.hands_on and value is not None:
                raise ValueError(f"field '{name}' is '{value}': {self.phrase} has no arrays, use null")
            if not self.hands_on and value is None:
                raise ValueError(f"field '{name}' is null: {self.phrase} layer has arrays")
