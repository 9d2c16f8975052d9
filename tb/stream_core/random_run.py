"""Random runs of the stream core: one to three random layers back to back, everything from one seed.

In two of eight seeds, one free-running and one stalled, the layers' geometries are of each class in turn. In one of
sixteen one block alone has work, and still reads a pass to its end when the others have, and its output has left.
"""

from dataclasses import replace

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.tb.base.geometry_classes import kernels_of, random_geometry
from penni_escalate.tb.base.random_work import RandomLayer, random_layer, random_passes, random_stalls
from penni_escalate.tb.stream_core.stream_run import StreamRun

#: Most layers of a run.
LAYERS = 3
#: Seeds modulo 8 whose geometries are chosen by their class.
DIRECTED = (4, 5)
#: Seed modulo 16 in which one block alone has work, the blocks in turn.
LAGGING = 10


def random_run(seed: int, config: Accelerator) -> StreamRun:
    """Layers, sparsity, values and stalls of a seed; even seeds run free, odd ones under a stall pattern."""
    rng = np.random.default_rng(seed)
    if seed % 16 == LAGGING:
        block = seed // 16 % config.blocks
        layers = lagging_layers(rng, config, block)
    else:
        layers = _layers(rng, seed, config)
    passes: list[Pass] = []
    inputs: list[SparseTensor] = []
    for work in layers:
        layer_passes = random_passes(rng, work.layer, config)
        passes += layer_passes
        inputs += work.inputs(config, layer_passes)
    stalls = random_stalls(rng) if seed % 2 else free_running()
    return StreamRun(f"seed{seed}", passes, inputs, stalls, trace_z=True, layers=len(layers))


def _layers(rng: np.random.Generator, seed: int, config: Accelerator) -> list[RandomLayer]:
    layers = []
    for number in range(int(rng.integers(1, LAYERS + 1))):
        geometry = None
        if seed % 8 in DIRECTED:
            turn = LAYERS * (2 * (seed // 8) + seed % 2) + number
            classes = list(kernels_of(config))
            geometry = random_geometry(rng, config, classes[turn % len(classes)])
        layers.append(random_layer(rng, config, f"random{number}", geometry))
    return layers


def lagging_layers(rng: np.random.Generator, config: Accelerator, block: int) -> list[RandomLayer]:
    """Three layers of a pass each, of which the third shows when its parameters were let in.

    Only one block has coefficients in the first layer, whose last input rows reach no output: the pass has left
    before that block has read its input. The second layer is a pixel, so that the third waits for its parameters alone.
    """
    stride = min(config.kernel_max, 4)
    channels = min(config.rows + int(rng.integers(1, 2 * config.group)), config.channels_max)
    # Of 1x1 layers pixels that no output reaches are not sent at all.
    fields = {"kernels": config.blocks, "kernel_height": 1, "kernel_width": min(config.kernel_max, 2), "padding": 0}
    long = Geometry(channels=channels, height=2 * stride, width=int(rng.integers(3, 9)), stride=stride, **fields)
    pixel = Geometry(channels=channels, height=1, width=fields["kernel_width"], stride=1, **fields)
    first, *others = (
        random_layer(rng, config, f"lagging{number}", geometry, densities=(1.0, 1.0))
        for number, geometry in enumerate((long, pixel, long))
    )
    coefficients = first.layer.coefficients.copy()
    coefficients[np.arange(config.blocks) != block] = 0
    return [replace(first, layer=replace(first.layer, coefficients=coefficients, skip=None), skip=None), *others]
