"""The core's streams: names of their pins, and how the ports of a transfer lie in one number."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.rtl.formats import CODE_BITS
from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.rtl.widths import Widths
from penni_escalate.tb.base.load_port import bits_to_int, bytes_to_int


@dataclass(frozen=True)
class Stream:
    """A valid/ready stream of the core.

    Attributes:
        name: what its pins begin with.
        into_core: the bench is the source.
        fields: port and bits of each part of a transfer; in a word the first is the highest.
    """

    name: str
    into_core: bool
    fields: tuple[tuple[str, int], ...]

    @property
    def signals(self) -> dict[str, str]:
        """Bus attribute to the pin's name after the stream's."""
        forward, backward = ("i", "o") if self.into_core else ("o", "i")
        names = {"valid": f"valid_{forward}", "ready": f"ready_{backward}"}
        return names | {field: f"{field}_{forward}" for field, _ in self.fields}

    @cached_property
    def places(self) -> tuple[tuple[str, int, int], ...]:
        """Field, offset and mask of each part of a word."""
        places, offset = [], 0
        for name, bits in reversed(self.fields):
            places.append((name, offset, (1 << bits) - 1))
            offset += bits
        return tuple(reversed(places))

    def pack(self, values: Mapping[str, int]) -> int:
        """A transfer as a word."""
        return sum((values[name] & mask) << offset for name, offset, mask in self.places)

    def ports(self, word: int) -> dict[str, int]:
        """What a transfer is at the core's ports, by their names."""
        return {f"{self.name}_{self.signals[field]}": value for field, value in self.unpack(word).items()}

    def unpack(self, word: int) -> dict[str, int]:
        """Inverse of ``pack``."""
        return {name: word >> offset & mask for name, offset, mask in self.places}


def load_stream(config: Accelerator) -> Stream:
    """The load port; its words are those of ``tb.base.load_port.LoadPort``."""
    w = Widths(config)
    fields = (
        ("kind", w.load_kind_bits),
        ("all", 1),
        ("set", w.load_set_bits),
        ("index", w.load_index_bits),
        ("data", w.load_data_bits),
    )
    return Stream("load", True, fields)


def _group_fields(config: Accelerator) -> tuple[tuple[str, int], ...]:
    return (("last", 1), ("eop", 1), ("map", config.group), ("values", CODE_BITS * config.group))


def input_stream(config: Accelerator) -> Stream:
    """Input groups."""
    return Stream("in", True, _group_fields(config))


def output_stream(config: Accelerator) -> Stream:
    """Output groups."""
    return Stream("out", False, _group_fields(config))


def streams_of(config: Accelerator) -> dict[str, Stream]:
    """Every stream that an agent drives or watches."""
    return {"load": load_stream(config), "input": input_stream(config), "output": output_stream(config)}


def group_words(tensor: SparseTensor) -> list[int]:
    """The words of a pass's groups, input or output: flags, map, packed values."""
    pixels, groups, size = tensor.maps.shape
    words = []
    for pixel in range(pixels):
        for group in range(groups):
            eop = group == groups - 1
            head = (eop and pixel == pixels - 1) << 1 | eop
            head = head << size | bits_to_int(tensor.maps[pixel, group])
            words.append(head << 8 * size | bytes_to_int(tensor.values[pixel, group]))
    return words


def codes_of(stream: Stream, word: int) -> list[int]:
    """The codes of a group, unpacked by its map; for tables that a person reads."""
    fields = stream.unpack(word)
    size = dict(stream.fields)["map"]
    packed = iter(np.frombuffer(fields["values"].to_bytes(size, "little"), np.uint8).tolist())
    return [next(packed) if fields["map"] >> channel & 1 else 0 for channel in range(size)]


def kind_of(stream: Stream, word: int) -> int:
    """What a word of the load port writes, a ``LoadKind`` where it is one."""
    _, offset, mask = stream.places[0]
    return word >> offset & mask


def describe_load(stream: Stream, word: int) -> str:
    """A word of the load port, for tables."""
    fields = stream.unpack(word)
    try:
        kind = LoadKind(fields["kind"]).name
    except ValueError:
        kind = f"kind {fields['kind']}"
    block = "all" if fields["all"] else fields["set"]
    return f"{kind:12} block {block} index {fields['index']} data {fields['data']:x}"
