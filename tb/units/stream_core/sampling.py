"""What a run of the stream core was like, as hits of its coverage model; whatever played the run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from configs.accelerator import Accelerator
from golden.cycle.stream_core import BlockCounter, CoreCounter
from golden.geometry import Geometry
from golden.schedule import Pass
from golden.sparsemap import SparseTensor
from tb.coverage import Collector

_CORE_CAUSES = (CoreCounter.RING_FULL, CoreCounter.FEEDER_STARVED, CoreCounter.OUTPUT_STALL)
_BLOCK_CAUSES = (BlockCounter.Z_FULL, BlockCounter.STARVED, BlockCounter.LINE_WAIT)


@dataclass(frozen=True)
class PlayedRun:
    """A run that came to its end.

    Attributes:
        inputs: the input of each pass; passes of one layer share the object.
        outputs: uint8 (groups, GROUP): all output groups, unpacked.
        core_counters, block_counters: int64 (7,), (BLOCKS, 7), the core's.
        regime: 'free', 'recorded' or 'random'.
        stalled: some stream was stalled.
        load_waits: cycles in which a parameter word waited for a free bank; None where nobody counted.
    """

    passes: Sequence[Pass]
    inputs: Sequence[SparseTensor]
    outputs: np.ndarray
    core_counters: np.ndarray
    block_counters: np.ndarray
    regime: str
    stalled: bool
    load_waits: int | None = None


def share(density: float) -> str:
    """A density's bin."""
    if density == 0:
        return "none"
    return "few" if density < 0.2 else "some" if density < 0.85 else "most"


def coefficient_density(p: Pass) -> float:
    """Share of the coefficients that are not 0, of the blocks, channels and rows that the layer uses."""
    blocks = p.multiplier > 0
    rows = p.basis.any(axis=(0, 2, 3)) | p.coefficients.any(axis=(0, 1))
    used = p.coefficients[blocks][:, : p.geometry.channels][:, :, rows]
    return np.count_nonzero(used) / used.size if used.size else 0.0


def activation_density(p: Pass, tensor: SparseTensor) -> float:
    """Share of the codes that are not 0."""
    return np.count_nonzero(tensor.maps) / (p.geometry.height * p.geometry.width * p.geometry.channels)


def geometry_hits(g: Geometry) -> dict[str, str]:
    """Kernel, stride, padding and image."""
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


def _kind(p: Pass) -> str:
    return "decomposed" if p.shared_basis else "first"


def _sample_pass(sample: Callable[[dict[str, str]], None], run: PlayedRun, number: int, codes: np.ndarray) -> None:
    p = run.passes[number]
    sample(geometry_hits(p.geometry))
    sample({"kind": _kind(p), "input sign": "signed" if p.signed_in else "unsigned"})
    sample({"output sign": "signed" if p.low < 0 else "unsigned"})
    hits = {
        "activations": share(activation_density(p, run.inputs[number])),
        "stalls": "stalled" if run.stalled else "free",
    }
    if p.shared_basis:
        hits["coefficients"] = share(coefficient_density(p))
    sample(hits)
    used = p.multiplier > 0
    sample({"blocks used": "all" if used.all() else "some"})
    for shift in p.shift[used].tolist():
        sample({"shift": "small" if shift < 20 else "usual" if shift < 34 else "large"})
    codes = codes.view(np.int8) if p.low < 0 else codes
    for name, met in (
        ("lowest", (codes == p.low).any()),
        ("between", ((codes > p.low) & (codes < p.high)).any()),
        ("highest", (codes == p.high).any()),
    ):
        if met:
            sample({"output code": name})


def _sample_succession(sample: Callable[[dict[str, str]], None], run: PlayedRun, number: int) -> None:
    before, now = run.passes[number - 1], run.passes[number]
    if run.inputs[number - 1] is run.inputs[number]:
        sample({"next pass": "same layer"})
        return
    for name, changes in (
        ("other geometry", before.geometry != now.geometry),
        ("other channels", before.geometry.channels != now.geometry.channels),
        ("other kind", before.shared_basis != now.shared_basis),
        ("other sign", before.signed_in != now.signed_in),
    ):
        if changes:
            sample({"next pass": name})


def sample_played(collector: Collector, config: Accelerator, run: PlayedRun) -> None:
    """Count what a run has met."""
    sample = collector.sample
    per_pixel, first = config.blocks // config.group, 0
    for number, p in enumerate(run.passes):
        count = p.geometry.out_height * p.geometry.out_width * per_pixel
        _sample_pass(sample, run, number, run.outputs[first : first + count])
        first += count
        if number:
            _sample_succession(sample, run, number)
    passes = len(run.passes)
    sample({"passes of a run": str(passes) if passes < 3 else "more"})
    sample({"regime": run.regime})
    causes = [cause.name.lower() for cause in _CORE_CAUSES if run.core_counters[cause]]
    causes += [cause.name.lower() for cause in _BLOCK_CAUSES if run.block_counters[:, cause].any()]
    causes += ["load waits for a bank"] if run.load_waits else []
    for cause in causes:
        sample({"stall cause": cause})
