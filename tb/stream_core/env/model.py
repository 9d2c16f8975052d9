"""Reference model: golden/ says what a run's words, values, cycles and counters must be."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from pyuvm import uvm_analysis_port, uvm_subscriber

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stream_core import CoreCounter, Trace, output_groups, simulate
from penni_escalate.golden.schedule import load_words
from penni_escalate.golden.sparsemap import encode
from penni_escalate.tb.base import load_port
from penni_escalate.tb.stream_core.env.streams import group_words
from penni_escalate.tb.stream_core.env.work import Regime, Work

#: Counters that are the same however the streams stall.
TIMELESS_CORE = (CoreCounter.BEATS, CoreCounter.GROUPS_IN, CoreCounter.GROUPS_OUT)
TIMELESS_BLOCK = (BlockCounter.TAKEN, BlockCounter.Z_WRITTEN, BlockCounter.DROPPED, BlockCounter.PRODUCTS)


@dataclass(frozen=True)
class Expectation:
    """What must be seen of a run.

    Attributes:
        loads: of each pass, its load words; the last starts it, the others come in any order.
        inputs: the input groups, as words.
        outputs: the output groups, as words.
        cycles: of each output group; None where stalls are not recorded.
        places: of each output group: pass, row, column, first channel.
    """

    work: Work
    loads: tuple[tuple[int, ...], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    cycles: tuple[int, ...] | None
    places: tuple[tuple[int, int, int, int], ...]
    trace: Trace

    @property
    def timeout(self) -> int:
        """Cycles without any transfer that a core that works may take: a line of the MAC, and some stalls."""
        longest = max(p.geometry.width * p.geometry.kernel_height * p.geometry.kernel_width for p in self.work.passes)
        return 4 * longest + 2000


def expect(config: Accelerator, work: Work) -> Expectation:
    """Run the cycle model. Where stalls are not recorded it runs free: the values are the same."""
    port = load_port.LoadPort(config)
    loads = tuple(tuple(port.transfers(p)) for p in work.passes)
    counts = [load_words(p, config) for p in work.passes]
    trace = simulate(config, list(work.passes), list(work.inputs), counts, work.stalls)
    outputs: list[int] = []
    places: list[tuple[int, int, int, int]] = []
    first = 0
    group_codes = min(config.blocks, config.group)
    for number, p in enumerate(work.passes):
        count = output_groups(p, config)
        per_pixel = count // (p.result_height * p.result_width)
        codes = trace.outputs[first : first + count].reshape(-1, per_pixel * config.group)
        outputs += group_words(encode(np.ascontiguousarray(codes), config.group))
        places += [
            (number, y, x, group * group_codes)
            for y in range(p.result_height)
            for x in range(p.result_width)
            for group in range(per_pixel)
        ]
        first += count
    return Expectation(
        work=work,
        loads=loads,
        inputs=tuple(word for tensor in work.inputs for word in group_words(tensor)),
        outputs=tuple(outputs),
        cycles=None if work.regime is Regime.RANDOM else tuple(trace.output_cycle.tolist()),
        places=tuple(places),
        trace=trace,
    )


def counters_of(expectation: Expectation) -> Counter[tuple[bool, int, int]]:
    """The counters that can be compared: (of the core, block, index) to value."""
    timed = expectation.cycles is not None
    trace = expectation.trace
    found: Counter[tuple[bool, int, int]] = Counter()
    for core in CoreCounter if timed else TIMELESS_CORE:
        found[True, 0, int(core)] = int(trace.core_counters[core])
    for block in range(len(trace.block_counters)):
        for counter in BlockCounter if timed else TIMELESS_BLOCK:
            found[False, block, int(counter)] = int(trace.block_counters[block, counter])
    return found


class ReferenceModel(uvm_subscriber):
    """Takes a run's work before it begins, and gives its expectation; the latest one stays."""

    def build_phase(self) -> None:
        """The port that expectations leave by."""
        self.ap = uvm_analysis_port("ap", self)
        self.config: Accelerator = self.cdb_get("CONFIG")
        self.latest: Expectation | None = None

    def write(self, tt: Work) -> None:
        """Predict."""
        self.latest = expect(self.config, tt)
        self.ap.write(self.latest)
