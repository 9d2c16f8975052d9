"""Benches of the sketches: random sparse work, and the sums that NumPy gets. A test is named after its sketch.

Inputs change right after the rising edge; what answers a unit at once does so at the falling edge; outputs are read
a quarter of a cycle before the next rising edge.
"""

import os
from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from penni_escalate.tb.base.stimulus import pack

#: Of the run.
SEED = int(os.environ["COCOTB_RANDOM_SEED"])
PERIOD_NS = 8
#: Channels of a chunk of SparTen.
CHUNK = 128
#: Output channels, lines and columns that the accumulator banks of an SCNN PE hold, and the banks.
PLANE = (8, 16, 16)
BANKS = 32
#: Of SCNN's kernels.
KERNEL = 3


class Sketch:
    """The ports of one sketch in the wrapper, by their own names."""

    def __init__(self, dut: HierarchyObject, name: str) -> None:
        self._dut, self.name = dut, name
        self.clk_i = dut.clk_i

    def __getattr__(self, port: str) -> Any:
        """A port's handle."""
        return getattr(self._dut, f"{self.name}_{port}")

    def log(self, text: str, *values: object) -> None:
        """Write into the simulation's log."""
        self._dut._log.info(f"{self.name}: {text}", *values)


def random_source(sketch: Sketch) -> np.random.Generator:
    """What draws a test's work; says the seed."""
    sketch.log("seed %d", SEED)
    return np.random.default_rng([SEED, *sketch.name.encode()])


def sparse(source: np.random.Generator, shape: tuple[int, ...], density: float) -> np.ndarray:
    """int8 of a shape, a share ``density`` not 0; one value in eight is the most negative or the most positive."""
    values = source.integers(-128, 128, shape)
    extreme = source.choice((-128, 127), shape)
    values = np.where(source.random(shape) < 1 / 8, extreme, np.where(values == 0, 1, values))
    return np.where(source.random(shape) < density, values, 0).astype(np.int8)


def compare(sketch: Sketch, expected: np.ndarray, found: list[int]) -> None:
    """All sums, of which there must be some that are not 0."""
    assert np.count_nonzero(expected) > 0, f"seed {SEED}: every expected sum is 0"
    assert len(found) == expected.size, f"seed {SEED}: {len(found)} sums, expected {expected.size}"
    for number, (right, value) in enumerate(zip(expected.ravel().tolist(), found, strict=True)):
        assert value == right, f"seed {SEED}: sum {number} is {value}, expected {right}"
    sketch.log("%d sums compared", len(found))


async def start(sketch: Sketch, reset: str, zeros: tuple[str, ...]) -> None:
    """Start the clock with inputs at 0, and reset for two cycles; ends right after a rising edge."""
    for name in zeros:
        getattr(sketch, name).value = 0
    getattr(sketch, reset).value = 1
    Clock(sketch.clk_i, PERIOD_NS, unit="ns").start(start_high=False)
    for _ in range(3):
        await RisingEdge(sketch.clk_i)
    getattr(sketch, reset).value = 0


@cocotb.test()
async def dense_pe(dut: HierarchyObject) -> None:
    """Dot products of several lengths, with gaps between the pairs."""
    sketch = Sketch(dut, "dense_pe")

    def offer(activation: int, source: np.random.Generator) -> None:
        sketch.activation_i.value = activation

    await dot_products(sketch, ("activation_i",), offer)


@cocotb.test()
async def bit_tactical_lane(dut: HierarchyObject) -> None:
    """The same, with the activation at any place of the window, among others."""
    sketch = Sketch(dut, "bit_tactical_lane")

    def offer(activation: int, source: np.random.Generator) -> None:
        window = source.integers(0, 256, 8).tolist()
        choice = int(source.integers(8))
        window[choice] = activation & 0xFF
        sketch.activations_i.value, sketch.choice_i.value = pack(window, 8), choice

    await dot_products(sketch, ("activations_i", "choice_i"), offer)


async def dot_products(
    sketch: Sketch, inputs: tuple[str, ...], offer: Callable[[int, np.random.Generator], None]
) -> None:
    """Compare dot products; ``offer`` puts an activation on the ports ``inputs``, the rest is the bench's."""
    source = random_source(sketch)
    await start(sketch, "clear_i", ("valid_i", "weight_i", *inputs))
    expected, found = [], []
    for length in (1, 2, 5, 40, 200):
        activations, weights = (sparse(source, (length,), density) for density in (0.6, 0.9))
        sketch.clear_i.value = 1
        await RisingEdge(sketch.clk_i)
        sketch.clear_i.value = 0
        for activation, weight in zip(activations.tolist(), weights.tolist(), strict=True):
            while source.random() < 0.2:
                sketch.valid_i.value = 0
                sketch.weight_i.value = 77
                await RisingEdge(sketch.clk_i)
            sketch.valid_i.value, sketch.weight_i.value = 1, weight
            offer(activation, source)
            await RisingEdge(sketch.clk_i)
        sketch.valid_i.value = 0
        await FallingEdge(sketch.clk_i)
        expected.append(int(activations.astype(np.int64) @ weights.astype(np.int64)))
        found.append(sketch.sum_o.value.to_signed())
        await RisingEdge(sketch.clk_i)
    compare(sketch, np.array(expected), found)


class PackedChunk:
    """A chunk of a sparse vector as SparTen holds it: a map, and the values that are not 0.

    Args:
        values: int8 (128,).
    """

    def __init__(self, values: np.ndarray) -> None:
        self.map = pack([int(bit) for bit in values != 0], 1)
        self.packed = [*values[values != 0].tolist(), *[55] * CHUNK]


@cocotb.test()
async def sparten_unit(dut: HierarchyObject) -> None:
    """Dot products of sparse vectors of several chunks, among them empty, full and unmatched ones, with gaps between.

    The cycles of a chunk are the matches in it, and one where there is none.
    """
    sketch = Sketch(dut, "sparten_unit")
    source = random_source(sketch)
    inputs = ("chunk_valid_i", "chunk_first_i", "activation_map_i", "weight_map_i", "activation_i", "weight_i")
    await start(sketch, "rst_i", inputs)
    expected, found = [], []
    for chunks, a_density, w_density in ((1, 0.5, 0.3), (3, 0.4, 0.1), (2, 1.0, 1.0), (1, 0.0, 0.5), (2, 0.05, 0.05)):
        activations = sparse(source, (chunks, CHUNK), a_density)
        weights = sparse(source, (chunks, CHUNK), w_density)
        expected.append(int(np.sum(activations.astype(np.int64) * weights)))
        held = None  # the chunk whose last pair the unit asks for
        for number in range(chunks):
            chunk = tuple(PackedChunk(values[number]) for values in (activations, weights))
            sketch.chunk_valid_i.value, sketch.chunk_first_i.value = 1, int(number == 0)
            sketch.activation_map_i.value, sketch.weight_map_i.value = chunk[0].map, chunk[1].map
            cycles, ready = 0, False
            while not ready:
                await answer(sketch, held)
                ready = bool(sketch.chunk_ready_o.value)
                await RisingEdge(sketch.clk_i)
                cycles, held = cycles + 1, chunk
            matches = np.count_nonzero((activations[number] != 0) & (weights[number] != 0))
            assert cycles == max(1, matches), f"seed {SEED}: {cycles} cycles for {matches} matches"
            if source.random() < 0.5:
                sketch.chunk_valid_i.value = 0
                await answer(sketch, held)
                await RisingEdge(sketch.clk_i)
        # The last pair is asked for in this cycle, added at its end.
        sketch.chunk_valid_i.value = 0
        await answer(sketch, held)
        await RisingEdge(sketch.clk_i)
        await answer(sketch, held)
        found.append(sketch.sum_o.value.to_signed())
        await RisingEdge(sketch.clk_i)
    compare(sketch, np.array(expected), found)


async def answer(sketch: Sketch, chunk: tuple[PackedChunk, ...] | None) -> None:
    """Be the buffers for a cycle: give the values of the pair that is asked for; ends before the rising edge."""
    await FallingEdge(sketch.clk_i)
    asked = bool(sketch.pair_valid_o.value)
    assert not asked or chunk is not None
    if asked and chunk is not None:
        sketch.activation_i.value = chunk[0].packed[int(sketch.activation_index_o.value)]
        sketch.weight_i.value = chunk[1].packed[int(sketch.weight_index_o.value)]
    else:
        sketch.activation_i.value, sketch.weight_i.value = 99, 98
    await Timer(PERIOD_NS / 4, unit="ns")


@cocotb.test()
async def scnn_pe(dut: HierarchyObject) -> None:
    """A convolution of a tile with eight kernels over several input channels, all outputs that products reach."""
    sketch = Sketch(dut, "scnn_pe")
    source = random_source(sketch)
    channels, tile = 5, (9, 11)
    activations = sparse(source, (channels, *tile), 0.3)
    weights = sparse(source, (PLANE[0], channels, KERNEL, KERNEL), 0.3)
    expected = np.zeros(PLANE, np.int64)
    for k, c, r, s in np.ndindex(weights.shape):
        product = int(weights[k, c, r, s]) * activations[c].astype(np.int64)
        expected[k, r : r + tile[0], s : s + tile[1]] += product
    inputs = [name for kind, parts in _COORDINATES.items() for name in (f"{kind}s_i", *(part[0] for part in parts))]
    await start(sketch, "rst_i", ("pairs_valid_i", *inputs, "bank_sum_i"))
    entries = np.prod(PLANE) // BANKS
    banks = [[0] * entries for _ in range(BANKS)]
    for channel in range(channels):
        for some_weights in fours(np.argwhere(weights[:, channel])):
            for some_activations in fours(np.argwhere(activations[channel])):
                present(sketch, "weight", some_weights, weights[:, channel])
                present(sketch, "activation", some_activations, activations[channel])
                sketch.pairs_valid_i.value = 1
                while not await accumulate(sketch, banks):
                    pass
                if source.random() < 0.1:
                    sketch.pairs_valid_i.value = 0
                    await accumulate(sketch, banks)
    sketch.pairs_valid_i.value = 0
    # As long as all products of a take could need if one bank had to add all.
    for _ in range(17):
        await accumulate(sketch, banks)
    found = [banks[place % BANKS][place // BANKS] for place in range(expected.size)]
    compare(sketch, expected, found)


#: Ports of the coordinates, slowest first, with their bits.
_COORDINATES = {
    "weight": (("weight_channels_i", 3), ("weight_lines_i", 3), ("weight_columns_i", 3)),
    "activation": (("activation_lines_i", 4), ("activation_columns_i", 4)),
}


def fours(places: np.ndarray) -> list[np.ndarray]:
    """Coordinates of values that are not 0, four at a time, fewer at the end."""
    return [places[begin : begin + 4] for begin in range(0, len(places), 4)]


def present(sketch: Sketch, kind: str, places: np.ndarray, values: np.ndarray) -> None:
    """Put up to four values and their coordinates on the ports; what is not there is 0, at any coordinates."""
    missing = [0] * (4 - len(places))
    chosen = [int(values[tuple(place)]) & 0xFF for place in places]
    getattr(sketch, f"{kind}s_i").value = pack([*chosen, *missing], 8)
    for axis, (port, bits) in enumerate(_COORDINATES[kind]):
        getattr(sketch, port).value = pack([*places[:, axis].tolist(), *missing], bits)


async def accumulate(sketch: Sketch, banks: list[list[int]]) -> bool:
    """Be the accumulator banks for a cycle; returns whether the pairs offered were taken."""
    await FallingEdge(sketch.clk_i)
    asked = int(sketch.bank_entry_o.value)
    entries = [(asked >> (6 * bank)) & 63 for bank in range(BANKS)]
    sketch.bank_sum_i.value = pack([banks[bank][entry] & 0xFFFFFF for bank, entry in enumerate(entries)], 24)
    await Timer(PERIOD_NS / 4, unit="ns")
    writes, sums = int(sketch.bank_write_o.value), int(sketch.bank_sum_o.value)
    for bank, entry in enumerate(entries):
        if (writes >> bank) & 1:
            value = (sums >> (24 * bank)) & 0xFFFFFF
            banks[bank][entry] = value - ((value & 0x800000) << 1)
    ready = bool(sketch.pairs_ready_o.value)
    await RisingEdge(sketch.clk_i)
    return ready
