"""Coverage collector: what the runs of a test were like, as hits of the stream core's coverage model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyuvm import uvm_subscriber

from configs.accelerator import Accelerator
from golden.cycle.stream_core import BlockCounter, CoreCounter
from golden.geometry import Geometry
from golden.layers import Convolution
from golden.manifest import LayerKind
from golden.schedule import Pass
from tb.coverage import Collector, load_model
from tb.env.model import Expectation
from tb.env.work import Work, densities

#: A run's hits: point to bin.
Hits = dict[str, str]

_CORE_CAUSES = (CoreCounter.RING_FULL, CoreCounter.FEEDER_STARVED, CoreCounter.OUTPUT_STALL)
_BLOCK_CAUSES = (BlockCounter.Z_FULL, BlockCounter.STARVED, BlockCounter.LINE_WAIT)


@dataclass(frozen=True)
class RunRecord:
    """A run that has ended.

    Attributes:
        counters: (of the core, block, index) to value; empty where the run was cut off.
        load_waits: cycles in which a parameter word waited for a free bank.
        outputs_left: output groups that left.
        passes_started: passes that were started.
    """

    expectation: Expectation
    counters: dict[tuple[bool, int, int], int | None]
    load_waits: int
    outputs_left: int
    passes_started: int


def stalled(work: Work) -> str:
    """Whether any stream was stalled."""
    return "free" if all(work.go(stream) is None for stream in ("load", "input", "output")) else "stalled"


def share(value: float) -> str:
    """A density's bin."""
    if value == 0:
        return "none"
    return "few" if value < 0.2 else "some" if value < 0.85 else "most"


def geometry_hits(g: Geometry) -> Hits:
    """Kernel, stride, padding and image of a layer."""
    r, s = g.kernel_height, g.kernel_width
    kernel = "1x1" if r == s == 1 else "square" if r == s else "wide" if s > r else "tall"
    if g.height == g.width == 1:
        image = "one pixel"
    elif g.height < r or g.width < s:
        image = "smaller than the kernel"
    elif g.height == 1 or g.width == 1:
        image = "one row or column"
    elif g.height == r and g.width == s:
        image = "as large as the kernel"
    else:
        image = "larger"
    return {
        "kernel": kernel,
        "stride": str(g.stride) if g.stride < 3 else "more",
        "padding": "none" if g.padding == 0 else "full" if g.padding == min(r, s) - 1 else "some",
        "border": "padded" if g.padding else "bare",
        "stride against kernel": "above" if g.stride > max(r, s) else "up to it",
        "image": image,
    }


def layer_hits(layer: Convolution) -> Hits:
    """Kind and signs of a layer."""
    return {
        "kind": "first" if layer.kind is LayerKind.FIRST else "decomposed",
        "input sign": "signed" if layer.signed_in else "unsigned",
        "output sign": "signed" if layer.signed_out else "unsigned",
    }


def successions(work: Work) -> Iterator[str]:
    """What changes from a pass to the next."""
    before: tuple[Convolution, Pass] | None = None
    number = 0
    for drawn in work.layers:
        config_passes = -(-drawn.layer.geometry.kernels // len(work.passes[0].bias))
        for _ in range(config_passes):
            now = drawn.layer, work.passes[number]
            number += 1
            if before is not None:
                if now[0] is before[0]:
                    yield "same layer"
                else:
                    if now[0].geometry != before[0].geometry:
                        yield "other geometry"
                    if now[0].kind is not before[0].kind:
                        yield "other kind"
                    if now[0].signed_in != before[0].signed_in:
                        yield "other sign"
                    if now[0].geometry.channels != before[0].geometry.channels:
                        yield "other channels"
            before = now


class CoverageCollector(uvm_subscriber):
    """Samples the coverage model at the end of each run."""

    def build_phase(self) -> None:
        """Counts begin at 0."""
        config: Accelerator = self.cdb_get("CONFIG")
        self.blocks = config.blocks
        self.collector = Collector(load_model("stream_core"), config)

    def write(self, tt: RunRecord) -> None:
        """A run has ended."""
        self.sample(tt)

    def sample(self, record: RunRecord) -> None:
        """Count what a run was like; one that was cut off tells only when the reset came."""
        work = record.expectation.work
        if not record.counters:
            self._sample_cut(record)
            return
        for drawn in work.layers:
            self.collector.sample(geometry_hits(drawn.layer.geometry) | layer_hits(drawn.layer))
            coefficients, activations = densities(drawn)
            hits = {"activations": share(activations), "stalls": stalled(work)}
            if drawn.layer.kind is LayerKind.DECOMPOSED:
                hits["coefficients"] = share(coefficients)
            self.collector.sample(hits)
            last = drawn.layer.geometry.kernels % self.blocks
            self.collector.sample({"last pass of a layer": "partly used" if last else "full"})
        for change in successions(work):
            self.collector.sample({"next pass": change})
        self._sample_passes(record.expectation)
        self._sample_causes(record)
        passes = len(work.passes)
        self.collector.sample({"passes of a run": str(passes) if passes < 3 else "more", "regime": work.regime.value})

    def _sample_passes(self, expectation: Expectation) -> None:
        outputs, first = expectation.trace.outputs, 0
        for p in expectation.work.passes:
            count = p.geometry.out_height * p.geometry.out_width * (self.blocks // outputs.shape[1])
            codes = outputs[first : first + count]
            codes = codes.view(np.int8) if p.low < 0 else codes
            first += count
            for name, met in (
                ("lowest", (codes == p.low).any()),
                ("highest", (codes == p.high).any()),
                ("between", ((codes > p.low) & (codes < p.high)).any()),
            ):
                if met:
                    self.collector.sample({"output code": name})
            for shift in p.shift[p.multiplier > 0].tolist():
                self.collector.sample({"shift": "small" if shift < 20 else "usual" if shift < 34 else "large"})

    def _sample_causes(self, record: RunRecord) -> None:
        for core in _CORE_CAUSES:
            if record.counters[True, 0, int(core)]:
                self.collector.sample({"stall cause": core.name.lower()})
        for cause in _BLOCK_CAUSES:
            if any(record.counters[False, block, int(cause)] for block in range(self.blocks)):
                self.collector.sample({"stall cause": cause.name.lower()})
        if record.load_waits:
            self.collector.sample({"stall cause": "load waits for a bank"})

    def _sample_cut(self, record: RunRecord) -> None:
        if record.outputs_left:
            when = "between outputs"
        elif record.passes_started:
            when = "before the first output"
        else:
            when = "while the first pass loads"
        self.collector.sample({"reset": when})

    def save(self, path: Path) -> None:
        """Write the counts."""
        self.collector.write(path)
