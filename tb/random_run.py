"""Random runs of the stream core: one to three random layers back to back, everything from one seed.

In two of eight seeds, one free-running and one stalled, the layers' geometries are of each class in turn.
"""

import numpy as np

from configs.accelerator import Accelerator
from golden.cycle.stream_core import free_running
from golden.schedule import Pass, passes_of
from golden.sparsemap import SparseTensor, encode
from tb.geometry_classes import kernels_of, random_geometry
from tb.random_work import random_layer, random_stalls
from tb.stream_run import StreamRun

#: Most layers of a run.
LAYERS = 3
#: Seeds modulo 8 whose geometries are chosen by their class.
DIRECTED = (4, 5)


def random_run(seed: int, config: Accelerator) -> StreamRun:
    """Layers, sparsity, values and stalls of a seed; even seeds run free, odd ones under a stall pattern."""
    rng = np.random.default_rng(seed)
    passes: list[Pass] = []
    inputs: list[SparseTensor] = []
    layers = int(rng.integers(1, LAYERS + 1))
    for number in range(layers):
        geometry = None
        if seed % 8 in DIRECTED:
            turn = LAYERS * (2 * (seed // 8) + seed % 2) + number
            classes = list(kernels_of(config))
            geometry = random_geometry(rng, config, classes[turn % len(classes)])
        work = random_layer(rng, config, f"random{number}", geometry)
        layer_passes = passes_of(work.layer, config)
        passes += layer_passes
        inputs += [encode(work.activations, config.group)] * len(layer_passes)
    stalls = random_stalls(rng) if seed % 2 else free_running()
    return StreamRun(f"seed{seed}", passes, inputs, stalls, trace_z=True, layers=layers)
