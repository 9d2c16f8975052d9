"""Runs of the stream core at the limits of a configuration, where random layers do not come: the largest height,
width, number of channels, kernel and stride, and runs long enough for the upper bits of the counters.
"""

from dataclasses import dataclass, replace

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.stalls import Stalls, free_running
from penni_escalate.golden.fit import HEIGHT_MAX
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.schedule import Pass, passes_of
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.tb.base.random_work import STALL_LENGTH, random_layer, summed
from penni_escalate.tb.stream_core.stream_run import REPLAY_DEPTH, StreamRun

#: Shares of coefficients and activations that are not 0.
DENSE = (0.9, 0.9)
HALF = (0.5, 0.2)
NOTHING = (0.0, 0.9)


#: The runs in turn.
LIMITS = ("largest_kernel", "widest", "deepest", "tallest", "long_sparse", "long_stalled")


@dataclass(frozen=True)
class _Limit:
    """Layers at a limit.

    Attributes:
        densities: shares of coefficients and activations that are not 0.
        summed: the last layer sums over all pixels.
        input, output: share of the cycles in which these streams may move.
    """

    geometries: list[Geometry]
    densities: tuple[float, float]
    summed: bool = False
    input: float = 1
    output: float = 1


def _share(rng: np.random.Generator, share: float) -> np.ndarray:
    go = rng.random(STALL_LENGTH) < share
    go[0] = True
    return go


def _square(config: Accelerator, kernel: int, stride: int = 1, **sizes: int) -> Geometry:
    fields = {"channels": 1, "height": 4, "width": 4, "kernels": config.blocks, "padding": 0} | sizes
    return Geometry(**fields, kernel_height=kernel, kernel_width=kernel, stride=stride)


def _largest_kernels(config: Accelerator) -> list[Geometry]:
    """The largest kernel whose output rows fit the psum lines, at every stride."""
    found = []
    for stride in range(1, config.kernel_max + 1):
        kernel = min(config.kernel_max, stride * (config.psum_lines - 1))
        side = 2 * config.kernel_max + 1
        found.append(_square(config, kernel, stride, height=side, width=side, padding=kernel - 1))
    return found


def _limit(name: str, config: Accelerator) -> _Limit:
    top = config.kernel_max
    # As many pixels as the bench holds.
    long = [_square(config, 2, height=HEIGHT_MAX, width=min(config.width_max, (REPLAY_DEPTH - 1) // HEIGHT_MAX // 2))]
    match name:
        case "largest_kernel":
            return _Limit(_largest_kernels(config) * 2, DENSE)
        case "widest":
            wide = [
                _square(config, 1, width=config.width_max, height=3),
                _square(config, min(top, 3), width=config.width_max, height=4, padding=(min(top, 3) - 1) // 2),
            ]
            return _Limit(wide * 2, DENSE, output=0.5)
        case "deepest":
            return _Limit([_square(config, 2, channels=config.channels_max, height=2, width=3)] * 6, HALF)
        case "tallest":
            tall = [(1, 1), (top, top), (2, 1)]
            geometries = [_square(config, k, s, height=HEIGHT_MAX, width=k) for k, s in tall]
            return _Limit(geometries, DENSE, summed=True, input=0.5)
        case "long_sparse":
            return _Limit(long, NOTHING, input=0.2)
        case _:
            return _Limit(long, DENSE, output=0.3)


def limit_run(number: int, config: Accelerator) -> StreamRun:
    """A run at one of LIMITS, by its number in turn; values, sparsity and stalls follow from the number."""
    rng = np.random.default_rng(number)
    name = LIMITS[number % len(LIMITS)]
    limit = _limit(name, config)
    passes: list[Pass] = []
    inputs: list[SparseTensor] = []
    for place, geometry in enumerate(limit.geometries):
        work = random_layer(rng, config, f"{name}{place}", geometry, limit.densities)
        if limit.summed and geometry is limit.geometries[-1] and work.skip is None:
            work = replace(work, layer=summed(work.layer))
        mine = passes_of(work.layer, config, outputs=1)
        passes += mine
        inputs += work.inputs(config, mine)
    stalls = Stalls(free_running().load, _share(rng, limit.input), _share(rng, limit.output))
    return StreamRun(f"{name}_{number}", passes, inputs, stalls, layers=len(limit.geometries))
