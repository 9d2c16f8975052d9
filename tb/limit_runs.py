"""Runs of the stream core at the limits of a configuration, where random layers do not come: the largest height,
width, number of channels, kernel and stride, and runs long enough for the upper bits of the counters.
"""

import numpy as np

from configs.accelerator import Accelerator
from golden.cycle.stream_core import Stalls, free_running
from golden.fit import HEIGHT_MAX
from golden.geometry import Geometry
from golden.schedule import Pass, passes_of
from golden.sparsemap import SparseTensor, encode
from tb.random_work import STALL_LENGTH, random_layer
from tb.stream_run import PLAYER_DEPTH, StreamRun

#: Shares of coefficients and activations that are not 0.
DENSE = (0.9, 0.9)
HALF = (0.5, 0.2)
NOTHING = (0.0, 0.9)


def _share(rng: np.random.Generator, share: float) -> np.ndarray:
    go = rng.random(STALL_LENGTH) < share
    go[0] = True
    return go


def _run(
    name: str,
    rng: np.random.Generator,
    config: Accelerator,
    geometries: list[Geometry],
    densities: tuple[float, float],
    stalls: Stalls,
) -> StreamRun:
    passes: list[Pass] = []
    inputs: list[SparseTensor] = []
    for number, geometry in enumerate(geometries):
        work = random_layer(rng, config, f"{name}{number}", geometry, densities)
        mine = passes_of(work.layer, config)
        passes += mine
        inputs += [encode(work.activations, config.group)] * len(mine)
    return StreamRun(name, passes, inputs, stalls, layers=len(geometries))


def _square(config: Accelerator, kernel: int, stride: int = 1, **sizes: int) -> Geometry:
    fields = {"channels": 1, "height": 4, "width": 4, "kernels": config.blocks, "padding": 0} | sizes
    return Geometry(**fields, kernel_height=kernel, kernel_width=kernel, stride=stride)


def _largest_kernel(config: Accelerator, stride: int) -> int:
    """The largest kernel whose output rows fit the psum lines."""
    return min(config.kernel_max, stride * (config.psum_lines - 1))


def limit_runs(seed: int, config: Accelerator) -> list[StreamRun]:
    """One run for each limit; values and sparsity follow from the seed."""
    rng = np.random.default_rng(seed)
    free = free_running()
    top = config.kernel_max
    strides = range(1, top + 1)
    largest = [
        _square(config, _largest_kernel(config, stride), stride, height=2 * top + 1, width=2 * top + 1,
                padding=_largest_kernel(config, stride) - 1)
        for stride in strides
    ]  # fmt: skip
    wide = [
        _square(config, 1, width=config.width_max, height=3),
        _square(config, min(top, 3), width=config.width_max, height=4, padding=(min(top, 3) - 1) // 2),
    ]
    deep = [_square(config, 2, channels=config.channels_max, height=2, width=3)]
    tall = [_square(config, 1, height=HEIGHT_MAX, width=1), _square(config, top, top, height=HEIGHT_MAX, width=top)]
    # As many pixels as the bench holds.
    long = [_square(config, 2, height=HEIGHT_MAX, width=min(config.width_max, (PLAYER_DEPTH - 1) // HEIGHT_MAX // 2))]
    return [
        _run("largest_kernel", rng, config, largest * 2, DENSE, free),
        _run("widest", rng, config, wide * 2, DENSE, Stalls(free.load, free.input, _share(rng, 0.5))),
        _run("deepest", rng, config, deep * 6, HALF, free),
        _run("tallest", rng, config, tall, DENSE, Stalls(free.load, _share(rng, 0.5), free.output)),
        _run("long_sparse", rng, config, long, NOTHING, Stalls(free.load, _share(rng, 0.2), free.output)),
        _run("long_stalled", rng, config, long, DENSE, Stalls(free.load, free.input, _share(rng, 0.3))),
    ]
