"""The load port's transfers: a pass's parameters as the words that stream_core takes."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

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


def _of_block(loaded: np.ndarray, block: int) -> np.ndarray:
    """A block's part of what is loaded for all alike, or for each."""
    return np.asarray(loaded[block if len(loaded) > 1 else 0])


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
        return w.load_kind_bits + 1 + w.load_set_bits + w.load_index_bits + w.load_data_bits

    def transfer(self, kind: LoadKind, blocks: int | None, index: int, words: Sequence[int]) -> int:
        """One transfer as a number.

        Args:
            blocks: which LOAD_WORDS neighbouring blocks are written; None writes all blocks.
            words: of these blocks, the first first; one for all.
        """
        w = self.widths
        transfer = (kind << 1) | (blocks is None)
        transfer = (transfer << w.load_set_bits) | (blocks or 0)
        transfer = (transfer << w.load_index_bits) | index
        return (transfer << w.load_data_bits) | sum(word << n * w.load_bits for n, word in enumerate(words))

    def coefficients(self, work: Pass, block: int, group: int) -> int:
        """Data of a COEFFICIENTS transfer: for each row the group's map, then its signs."""
        size = self.config.group
        part = work.coefficients[block, group * size : (group + 1) * size]
        fields = {"map": [bits_to_int(row != 0) for row in part.T], "sign": [bits_to_int(row < 0) for row in part.T]}
        return self.words[LoadKind.COEFFICIENTS].data(fields)

    def basis(self, work: Pass, block: int, r: int, s: int) -> int:
        """Data of a BASIS transfer: the weight of kernel position (r, s) of each kernel."""
        return self.words[LoadKind.BASIS].data({"weight": _of_block(work.weights, block)[:, r, s].tolist()})

    def exponents(self, work: Pass, block: int) -> int:
        """Data of an EXPONENTS transfer."""
        return self.words[LoadKind.EXPONENTS].data({"exponent": _of_block(work.exponents, block).tolist()})

    def table(self, work: Pass, block: int) -> int:
        """Data of a TABLE transfer."""
        fields = {name: getattr(work, name)[block].tolist() for name in ("bias", "multiplier", "shift")}
        return self.words[LoadKind.TABLE].data(fields | {"kernel": work.selection[block].tolist()})

    def geometry(self, work: Pass) -> int:
        """Data of a PASS transfer."""
        g = work.geometry
        fields = {
            "height": g.height,
            "width": g.width,
            "out_height": g.out_height,
            "out_width": g.out_width,
            "kernel_height": work.weights.shape[2],
            "kernel_width": work.weights.shape[3],
            "stride": g.stride,
            "padding_top": g.sides.top,
            "padding_left": g.sides.left,
            "summed": int(work.summed),
            "pool_size": work.pool.size,
            "pool_stride": work.pool.stride,
            "pool_padding": work.pool.padding,
            "result_height": work.result_height,
            "result_width": work.result_width,
            "low": work.low,
            "high": work.high,
            "signed": int(work.signed_in),
            "skip_signed": int(work.signed_groups[-1]),
            # Without a skip tensor, the group behind the last or, where no number is left for it, the last.
            "skip_group": min(len(work.groups) - work.skip_groups, self.widths.groups - 1),
            "outputs": work.outputs,
            "logits": int(work.logits),
        }
        if self.config.winograd:
            fields["winograd"] = int(work.winograd)
        return self.words[LoadKind.PASS].data({name: [value] for name, value in fields.items()})

    def transfers(self, work: Pass) -> Iterator[int]:
        """All transfers of a pass: what a block does before its kernels, and last the one that starts the pass."""
        config = self.config
        _, _, height, width = work.weights.shape
        sets = range(config.blocks // config.load_words)

        def each(kind: LoadKind, index: int, word: Callable[[int], int]) -> Iterator[int]:
            for number in sets:
                blocks = range(number * config.load_words, (number + 1) * config.load_words)
                yield self.transfer(kind, number, index, [word(block) for block in blocks])

        def once_or_each(kind: LoadKind, index: int, word: Callable[[int], int]) -> Iterator[int]:
            words = {word(block) for block in range(config.blocks)}
            if len(words) == 1:
                yield self.transfer(kind, None, index, [words.pop()])
            else:
                yield from each(kind, index, word)

        yield from each(LoadKind.TABLE, 0, partial(self.table, work))
        for group in range(work.coefficients.shape[1] // config.group):
            yield from each(LoadKind.COEFFICIENTS, group, partial(self.coefficients, work, group=group))
        for r in range(height):
            for s in range(width):
                index = r * config.kernel_max + s
                yield from once_or_each(LoadKind.BASIS, index, partial(self.basis, work, r=r, s=s))
        yield from once_or_each(LoadKind.EXPONENTS, 0, partial(self.exponents, work))
        yield self.transfer(LoadKind.PASS, None, 0, [self.geometry(work)])
