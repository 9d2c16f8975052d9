"""The load port's transfers: a pass's parameters as the words that stream_core takes."""

from collections.abc import Iterator

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.schedule import Pass
from penni_escalate.rtl.load_words import LoadKind, load_words
from penni_escalate.rtl.widths import Widths


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
        self.words = load_words(config)

    @property
    def width(self) -> int:
        """Bits of a transfer: kind, all, block, index, data."""
        w = self.widths
        return w.load_kind_bits + 1 + w.block_bits + w.load_index_bits + w.load_bits

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
        rows = [{"map": bits_to_int(row != 0), "sign": bits_to_int(row < 0)} for row in part.T]
        return self.words[LoadKind.COEFFICIENTS].data(rows)

    def basis(self, work: Pass, block: int, r: int, s: int) -> int:
        """Data of a BASIS transfer: the weight of kernel position (r, s) for each row."""
        return self.words[LoadKind.BASIS].data([{"weight": int(weight)} for weight in work.basis[block, :, r, s]])

    def exponents(self, work: Pass) -> int:
        """Data of an EXPONENTS transfer."""
        return self.words[LoadKind.EXPONENTS].data([{"exponent": int(exponent)} for exponent in work.exponent])

    def channel(self, work: Pass, block: int) -> int:
        """Data of a CHANNEL transfer."""
        fields = {name: int(getattr(work, name)[block]) for name in ("bias", "multiplier", "shift")}
        return self.words[LoadKind.CHANNEL].data([fields])

    def geometry(self, work: Pass) -> int:
        """Data of a PASS transfer."""
        g = work.geometry
        fields = {
            "height": g.height,
            "width": g.width,
            "out_height": g.out_height,
            "out_width": g.out_width,
            "kernel_height": g.kernel_height,
            "kernel_width": g.kernel_width,
            "stride": g.stride,
            "padding": g.padding,
            "low": work.low,
            "high": work.high,
            "signed": int(work.signed_in),
        }
        return self.words[LoadKind.PASS].data([fields])

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
                    data = self.basis(work, block, r, s)
                    yield self.transfer(LoadKind.BASIS, None if work.shared_basis else block, index, data)
        yield self.transfer(LoadKind.EXPONENTS, None, 0, self.exponents(work))
        for block in range(config.blocks):
            yield self.transfer(LoadKind.CHANNEL, block, 0, self.channel(work, block))
        yield self.transfer(LoadKind.PASS, None, 0, self.geometry(work))
