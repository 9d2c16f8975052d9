"""The accelerator on workloads: cycles as predicted, accesses by hand."""

from pathlib import Path

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.evaluate.machine import repeated, run_layer, total
from penni_escalate.golden.access import accesses_of, beat_bits
from penni_escalate.golden.clusters import ClusterRun
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import CoreCounter, simulate
from penni_escalate.golden.losses import Share
from penni_escalate.golden.schedule import load_words, passes_of
from penni_escalate.golden.sparsemap import encode
from penni_escalate.golden.workloads import load_workload
from penni_escalate.rtl.widths import Widths
from tests.evaluate.small import small_workload
from tests.golden.test_cycle import layer_by_hand

TINY = load_accelerator("tiny")


@pytest.mark.parametrize("preset", ["tiny", "small", "full"])
def test_a_beat_is_as_wide_as_the_hardware_s(preset: str) -> None:
    config = load_accelerator(preset)
    assert beat_bits(config) == Widths(config).beat_bits


def test_cycles_are_those_of_the_cycle_model(tmp_path: Path) -> None:
    workload = load_workload(small_workload(tmp_path))
    for work in workload.each_layer():
        found = run_layer(TINY, work)
        passes = passes_of(work.layer, TINY)
        inputs = [encode(work.activations, TINY.group)] * len(passes)
        trace = simulate(TINY, passes, inputs, [load_words(p, TINY) for p in passes], free_running())
        assert found.cycles == trace.core_counters[CoreCounter.CYCLES] > 0
        assert 0 < found.balanced_cycles <= found.bound_cycles <= found.cycles
        assert sum(found.losses.values()) == pytest.approx(found.cycles)
        assert sum(found.limited_by.values()) == found.cycles


def test_layers_add_up(tmp_path: Path) -> None:
    first, second = (run_layer(TINY, work) for work in load_workload(small_workload(tmp_path)).each_layer())
    both = total([first, repeated(second, 3)])
    assert both.cycles == first.cycles + 3 * second.cycles
    assert both.counts.dram_bytes == first.counts.dram_bytes + 3 * second.counts.dram_bytes
    assert both.losses[Share.PRODUCTS] == pytest.approx(
        first.losses[Share.PRODUCTS] + 3 * second.losses[Share.PRODUCTS]
    )
    assert sum(both.shares().values()) == pytest.approx(1)


def test_accesses_by_hand() -> None:
    """4 pixels of 4 channels, all 1, on tiny: 4 blocks of 6 rows, groups of 4 in beats of 2, z of 16 bits.

    Block 0 has 4 values of one kernel, dealt to 4 rows, and 1 of another in each pixel, block 1 has 1. Each pixel is 2
    beats, each read by 24 rows and written into 4 rings; a pixel's end, the second beat, goes into every window: 24
    columns. The first beat has channels 0 and 1: of the 4 values those of two rows, and the other kernel's: 3 columns
    more. 8 pixels have products, one each, on 6 rows; 16 outputs, 2 of 4 channels used.
    """
    layer = layer_by_hand([[[1, 1], [1, 0], [1, 0], [1, 0]], [[0, 0], [0, 0], [1, 0], [0, 0]]])
    passes = passes_of(layer, TINY)
    source = encode(np.ones((1, 1, 4, 4), np.uint8), TINY.group)
    trace = simulate(TINY, passes, [source], [load_words(p, TINY) for p in passes], free_running())
    assert trace.columns == 4 * 27
    counts = accesses_of(TINY, layer, np.ones((1, 4, 4), np.uint8), [ClusterRun(passes, [source], trace)])
    assert counts.multiplications == 0
    assert counts.wide_multiplications == counts.additions == 8 * 6 + 16
    assert counts.narrow_additions == 24
    # Map and signs of 4 channels, 1 byte, for 24 rows and 8 beats; 8 psums read and written; 16 drained.
    assert counts.local_bytes == 24 * 8 + 8 * 8 + 16 * 4
    # 16 codes of 16 places: plainly 16 bytes. 2 channels out: 8 places, as dense. T: 16 bits and 6 signs in 3 bytes,
    # 2 kernels and exponents of 1 byte, 7 bytes a channel for bias, multiplier and shift.
    assert counts.dram_bytes == 16 + 8 + (3 + 2 + 2 + 14)
    assert counts.buffer_bytes == 2 * counts.dram_bytes
    ring = 37 * 8 * (4 + 24)
    columns, values, z = 3 * 9 * 2 * 108, (27 + 32) * 24, 2 * 16 * 4 * 24
    assert counts.register_bits == ring + columns + values + z + (16 + 8) * 6 * 8


def test_a_layer_that_cannot_run_is_refused(tmp_path: Path) -> None:
    """Whatever the limits of sizes: a kernel of 3 lines needs 4 lines of psums."""
    from dataclasses import replace

    work = next(load_workload(small_workload(tmp_path)).each_layer())
    with pytest.raises(UserError, match=r"Layer 'a' cannot run on configuration 'tiny': output rows in flight is 4"):
        run_layer(replace(TINY, psum_lines=3), work)
