"""What a run of the stream core was like, as hits of its coverage model; whatever ran it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stream_core import CoreCounter, Trace, output_groups
from penni_escalate.golden.fit import HEIGHT_MAX
from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.tb.base.coverage import Collector
from penni_escalate.tb.base.geometry_classes import border_of, classes_of, place_of

STREAMS = ("load", "input", "output")
_CORE_CAUSES = (CoreCounter.RING_FULL, CoreCounter.FEEDER_STARVED, CoreCounter.OUTPUT_STALL)
_BLOCK_CAUSES = (BlockCounter.Z_FULL, BlockCounter.STARVED, BlockCounter.LINE_WAIT)


@dataclass(frozen=True)
class SampledRun:
    """A run that came to its end, and did what was predicted.

    Attributes:
        inputs: the input of each pass; passes of one layer share the object.
        outputs: uint8 (groups, GROUP): all output groups, unpacked.
        core_counters, block_counters: int64 (7,), (BLOCKS, 7), the core's.
        regime: 'free', 'recorded' or 'random'.
        throttle: of each of STREAMS, the share of the cycles in which it may begin to move.
        overlaps: whether each pass but the first started before all input of the one before was taken; None where
            nobody knows.
        load_waits: cycles in which a parameter word waited for a free bank; None where nobody counted.
    """

    passes: Sequence[Pass]
    inputs: Sequence[SparseTensor]
    outputs: np.ndarray
    core_counters: np.ndarray
    block_counters: np.ndarray
    regime: str
    throttle: Mapping[str, float]
    overlaps: Sequence[bool] | None = None
    load_waits: int | None = None


def overlaps_of(trace: Trace, inputs: Sequence[SparseTensor]) -> list[bool]:
    """``SampledRun.overlaps`` of a run that does what ``trace`` says."""
    ends = np.cumsum([tensor.maps.shape[0] * tensor.maps.shape[1] for tensor in inputs])
    return (trace.start_cycle[1:] <= trace.input_cycle[ends[:-1] - 1]).tolist()


def sample_hits(collector: Collector, config: Accelerator, run: SampledRun) -> None:
    """Count what a run has met."""
    stalls = {f"{stream} stalls": _regime(run.throttle[stream]) for stream in STREAMS}
    passes = len(run.passes)
    collector.sample(stalls | {"passes of a run": str(passes) if passes < 3 else "more", "regime": run.regime})
    _sample_counters(collector, run)
    first = 0
    for number, (work, tensor) in enumerate(zip(run.passes, run.inputs, strict=True)):
        count = output_groups(work, config)
        hits = _of_pass(work, tensor, config)
        collector.sample(stalls | hits)
        _sample_pixels(collector, work, tensor, hits)
        _sample_codes(collector, work, run.outputs[first : first + count], config)
        first += count
        if number:
            _sample_succession(collector, run, number)


def _regime(share: float) -> str:
    return "free" if share == 1 else "stalled" if share > 0.5 else "rarely moves"


def density_bin(share: float) -> str:
    """The bin of a share of numbers that are not 0."""
    return "none" if share == 0 else "nearly all" if share > 0.95 else "dense" if share >= 0.5 else "sparse"


def _sample_counters(collector: Collector, run: SampledRun) -> None:
    """Causes of waiting that the core has counted."""
    causes = [cause.name.lower() for cause in _CORE_CAUSES if run.core_counters[cause]]
    causes += [cause.name.lower() for cause in _BLOCK_CAUSES if run.block_counters[:, cause].any()]
    causes += ["load waits for a bank"] if run.load_waits else []
    for cause in causes:
        collector.sample({"stall cause": cause})
    collector.sample({"cycles": "more bits" if run.core_counters[CoreCounter.CYCLES] >> 16 else "16 bits"})
    dropped = run.block_counters[:, BlockCounter.DROPPED].any()
    collector.sample({"dropped pixels": "some" if dropped else "none"})


def _of_pass(work: Pass, tensor: SparseTensor, config: Accelerator) -> dict[str, str]:
    """Bins of a pass by itself. Kernels beyond M are zeros, blocks without a channel have multiplier 0."""
    g = work.geometry
    pixels, groups, _ = tensor.maps.shape
    used = work.multiplier > 0
    kernels = np.flatnonzero(work.kernels.any(axis=(0, 2, 3)))
    count = int(kernels[-1]) + 1 if len(kernels) else 1
    # A kernel that covers the image is loaded as one of a single place.
    hits = ({} if work.summed else classes_of(g)) | {
        "width": "largest" if g.width == config.width_max else "below the largest",
        "height": "largest" if g.height == HEIGHT_MAX else "below the largest",
        "depth": "largest" if g.channels == config.channels_max else "below the largest",
        "layer": _layer(work),
        "activations": density_bin(float(tensor.maps[:, : groups - work.skip_groups].sum()) / (pixels * g.channels)),
        "input codes": "signed" if work.signed_in else "unsigned",
        "skip tensor": _skip(work),
        "basis kernels": str(count) if count <= 6 else "more",
        "row table": _table(work),
        "blocks used": "all" if used.all() else "some",
        "sum over all pixels": "yes" if work.summed else "no",
        "results": "logits" if work.logits else "codes",
        "pool": "none" if work.pool.size == 1 else str(work.pool.size),
        "outputs of a block": "one" if work.outputs == 1 else "several" if work.outputs < config.rows else "one a row",
        "groups sent": "all" if len(work.groups) - work.skip_groups >= -(-g.channels // config.group) else "some",
        "groups of a pixel": ("one", "two", "more")[min(groups, 3) - 1],
        "channels": "padded" if g.channels % config.group else "full groups",
    }
    if not work.logits:
        hits["output codes"] = _range(work)
    if work.skip_groups:
        return hits | {"outputs with a skip tensor": "one" if work.outputs == 1 else "several"}
    if work.shared_basis and used.any():
        places = np.count_nonzero(used) * g.channels * count
        hits["coefficients"] = density_bin(np.count_nonzero(work.coefficients) / places)
    return hits


def _table(work: Pass) -> str:
    """Whether rows of an output share a basis kernel; rows without coefficients do not count."""
    own = (-1, work.selection.shape[1] // work.outputs)
    working = np.asarray(work.coefficients.any(axis=1)).reshape(own)
    for kernels, rows in zip(work.selection.reshape(own), working, strict=True):
        if len(set(kernels[rows].tolist())) < np.count_nonzero(rows):
            return "kernels shared"
    return "a kernel each"


def _layer(work: Pass) -> str:
    return "decomposed" if work.shared_basis else "dense"


def _skip(work: Pass) -> str:
    return "none" if not work.skip_groups else "signed" if work.skip_signed else "unsigned"


def _range(work: Pass) -> str:
    return "signed" if work.low < 0 else "unsigned" if work.high == 255 else "with a ceiling"


def _sample_pixels(collector: Collector, work: Pass, tensor: SparseTensor, hits: Mapping[str, str]) -> None:
    """Borders at which there are codes, and pixels without any."""
    g = work.geometry
    empty: np.ndarray = tensor.maps.sum(axis=(1, 2)) == 0
    borders = {
        border_of(place_of(n // g.width, g.height), place_of(n % g.width, g.width))
        for n in np.flatnonzero(~empty).tolist()
    }
    geometry = {name: hits[name] for name in ("kernel", "stride", "padding") if name in hits}
    for border in sorted(borders):
        collector.sample(geometry | {"border": border})
    for name, met in (
        ("first", empty[0]),
        ("between", empty[1:-1].any()),
        ("last", empty[-1]),
        ("all", empty.all()),
    ):
        if met:
            collector.sample({"empty pixel": name})


def _sample_codes(collector: Collector, work: Pass, outputs: np.ndarray, config: Accelerator) -> None:
    """How many codes of a group are not 0; and, unless they are bytes of logits, what they are to their range."""
    ones, group_codes = (outputs != 0).sum(axis=1), min(config.blocks, config.group)
    for name, met in (
        ("empty", (ones == 0).any()),
        ("some", ((ones > 0) & (ones < group_codes)).any()),
        ("dense", (ones == group_codes).any()),
    ):
        if met:
            collector.sample({"output group": name})
    if work.logits:
        return
    used = work.multiplier > 0
    codes = np.unique(outputs[:, :group_codes].reshape(-1, work.outputs, config.blocks)[:, used.T])
    low, high = work.low & 255, work.high & 255
    for name, met in (
        ("lower end", (codes == low).any()),
        ("inside", ((codes != low) & (codes != high)).any()),
        ("upper end", (codes == high).any()),
    ):
        if met:
            collector.sample({"output codes": _range(work), "code": name})
    for shift in np.unique(work.shift[used]).tolist():
        collector.sample({"shift": "small" if shift < 20 else "usual" if shift < 34 else "large"})


def _sample_succession(collector: Collector, run: SampledRun, number: int) -> None:
    """A pass against the one before it."""
    before, work = run.passes[number - 1], run.passes[number]
    old, new = before.geometry, work.geometry
    old_kernel, new_kernel = old.kernel_height * old.kernel_width, new.kernel_height * new.kernel_width
    signed = "both signed" if work.signed_in else "both unsigned"
    if before.signed_in != work.signed_in:
        signed = "becomes signed" if work.signed_in else "becomes unsigned"
    hits = {
        "next pass": "same layer" if run.inputs[number - 1] is run.inputs[number] else "other layer",
        "next kernel": "smaller" if new_kernel < old_kernel else "larger" if new_kernel > old_kernel else "same size",
        "next width": "narrower" if new.width < old.width else "wider" if new.width > old.width else "same",
        "next kind": f"{_layer(before)}, {_layer(work)}",
        "next signedness": signed,
    }
    if run.overlaps is not None:
        hits["overlap"] = "yes" if run.overlaps[number - 1] else "no"
    collector.sample(hits)
