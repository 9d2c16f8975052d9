"""The load port's transfers: a pass's parameters as the words that stream_core takes."""

from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.schedule import Pass
from penni_escalate.rtl.widths import Widths


class LoadKind(IntEnum):
    """What a transfer writes."""

    COEFFICIENTS = 0
    BASIS = 1
    EXPONENTS = 2
    CHANNEL = 3
    PASS = 4


def bits_to_int(bits: np.ndarray) -> int:
    """Little-endian: element 0 is bit 0."""
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def bytes_to_int(values: np.ndarray) -> int:
    """Little-endian: element 0 is the lowest byte; int8 as two's complement."""
    return int.from_bytes(np.ascontiguousarray(values).tobytes(), "little")


class LoadPort:
    """Encodes transfers for one configuration."""

    def __init__(self, config: Accelerator) -> None:
        self.config = config
        self.widths = Widths(config)

    @property
    def width(self) -> int:
        """Bits of a transfer: kind, all, block, index, data."""
        w = self.widths
        return 3 + 1 + w.block_bits + w.load_index_bits + w.load_bits

    def transfer(self, kind: LoadKind, block: int | None, index: int, data: int) -> int:
        """One transfer as a number; ``block`` None writes all blocks."""
        w = self.widths
        word = (kind << 1) | (block is None)
        word = (word << w.block_bits) | (block or 0)
        word = (word << w.load_index_bits) | index
        return (word << w.load_bits) | data

    def coefficients(self, work: Pass, block: int, group: int) -> int:
        """Data of a COEFFICIENTS transfer: for each row the group's map, then its signs."""
        size = self.config.group
        part = work.coefficients[block, group * size : (group + 1) * size]
        return bits_to_int(np.concatenate([np.concatenate([row != 0, row < 0]) for row in part.T]))

    def channel(self, work: Pass, block: int) -> int:
        """Data of a CHANNEL transfer: bias, multiplier, shift."""
        f = self.widths.channel_fields
        bias = int(work.bias[block]) & 0xFFFFFFFF
        multiplier = int(work.multiplier[block]) << f.multiplier.offset
        return bias | multiplier | int(work.shift[block]) << f.shift.offset

    def geometry(self, work: Pass) -> int:
        """Data of a PASS transfer."""
        f, g = self.widths.pass_fields, work.geometry
        values = {
            "height": g.height,
            "width": g.width,
            "out_height": g.out_height,
            "out_width": g.out_width,
            "kernel_height": g.kernel_height,
            "kernel_width": g.kernel_width,
            "stride": g.stride,
            "padding": g.padding,
            "low": work.low & 0x3FF,
            "high": work.high & 0x3FF,
            "signed": int(work.signed_in),
        }
        return sum(value << getattr(f, name).offset for name, value in values.items())

    def transfers(self, work: Pass) -> Iterator[int]:
        """All transfers of a pass, the one that starts it last."""
        config, g = self.config, work.geometry
        for block in range(config.blocks):
            for group in range(work.coefficients.shape[1] // config.group):
                yield self.transfer(LoadKind.COEFFICIENTS, block, group, self.coefficients(work, block, group))
        for r in range(g.kernel_height):
            for s in range(g.kernel_width):
                index = r * config.kernel_max + s
                for block in range(1 if work.shared_basis else config.blocks):
                    data = bytes_to_int(work.basis[block, :, r, s])
                    yield self.transfer(LoadKind.BASIS, None if work.shared_basis else block, index, data)
        exponents = sum(int(exponent) << (3 * m) for m, exponent in enumerate(work.exponent))
        yield self.transfer(LoadKind.EXPONENTS, None, 0, exponents)
        for block in range(config.blocks):
            yield self.transfer(LoadKind.CHANNEL, block, 0, self.channel(work, block))
        yield self.transfer(LoadKind.PASS, None, 0, self.geometry(work))
