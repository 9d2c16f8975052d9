"""What the accelerator must do with the layers of a package: values, cycles, counters, bound and baselines.

package -> tensors (functional model) -> passes -> cycle model.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.bound import bound_of
from penni_escalate.golden.cycle.stream_core import Trace, free_running, output_tensor, simulate
from penni_escalate.golden.figures import Counted, LayerFigures, baselines_of, layer_figures
from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.package import Package
from penni_escalate.golden.schedule import Pass, inputs_of, load_words, passes_of, rows_at_work
from penni_escalate.golden.sparsemap import SparseTensor

#: Runs of the cycle model side by side.
_THREADS = 2
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class LayerRun:
    """One layer on one image: what goes in, and what must come out and when.

    Attributes:
        image: its number among the held-out images.
        activations: input codes (H, W, C); inputs: what each pass is sent of them.
        expected: the functional model's output codes (OH, OW, K), as bytes; a classifier's logits int32 (1, 1, K).
        trace: of the passes back to back from reset, without stalls.
    """

    config: Accelerator
    layer: Convolution
    image: int
    passes: list[Pass]
    activations: np.ndarray
    inputs: list[SparseTensor]
    expected: np.ndarray
    trace: Trace

    @property
    def model_mismatches(self) -> int:
        """Outputs in which cycle model and functional model differ; channels beyond K must be 0."""
        kernels = self.layer.geometry.kernels
        outputs = output_tensor(self.trace.outputs, self.passes, self.layer)
        return int(np.count_nonzero(outputs[..., :kernels] != self.expected) + np.count_nonzero(outputs[..., kernels:]))

    def counted(self, block_counters: np.ndarray, core_counters: np.ndarray) -> Counted:
        """This layer and image with counters of whoever ran it: int64 (BLOCKS, 7) and (7,)."""
        return Counted(
            passes=len(self.passes),
            rows_at_work=rows_at_work(self.passes),
            outputs=self.passes[0].outputs,
            gaps=self.trace.gaps,
            activation_density=float(np.count_nonzero(self.activations) / self.activations.size),
            baselines=baselines_of(self.layer, self.activations, self.config),
            bound=bound_of(self.config, self.passes, self.inputs, self.trace.zero),
            block_counters=block_counters.sum(axis=0),
            core_counters=core_counters,
            causes=self.trace.causes,
            adding=self.trace.adding,
        )

    @property
    def predicted(self) -> Counted:
        """This layer and image with the cycle model's counters."""
        return self.counted(self.trace.block_counters, self.trace.core_counters)


def predict_runs(
    package: Package,
    config: Accelerator,
    layers: Sequence[Convolution],
    images: Sequence[int],
    use: Callable[[LayerRun], _Result],
) -> list[_Result]:
    """Run the cycle model on each layer and image; what ``use`` makes of each run, images of a layer together.

    Args:
        use: called in several threads; a trace holds every z, so that of many runs little should be kept.
    """
    tensors = run_network(package, package.images[list(images)])

    def run(layer: Convolution, place: int) -> _Result:
        activations = layer_input(layer, tensors)[place]
        passes = passes_of(layer, config)
        skip = None if layer.skip is None else tensors[layer.skip.source][place]
        inputs = inputs_of(layer, activations, config, passes, skip)
        loads = [load_words(work, config) for work in passes]
        trace = simulate(config, passes, inputs, loads, free_running())
        result = tensors[layer.name][place]
        expected = result.reshape(1, 1, -1) if layer.logits else result.view(np.uint8)
        return use(LayerRun(config, layer, images[place], passes, activations, inputs, expected, trace))

    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(run, layer, place) for layer in layers for place in range(len(images))]
        return [future.result() for future in futures]


@dataclass(frozen=True)
class NetworkPrediction:
    """Layers of a network on some images.

    Attributes:
        model_mismatches: outputs in which cycle model and functional model differ.
    """

    layers: tuple[LayerFigures, ...]
    model_mismatches: int


def predict_network(
    package: Package,
    config: Accelerator,
    layers: Sequence[Convolution],
    images: Sequence[int],
    advance: Callable[[], None] = lambda: None,
) -> NetworkPrediction:
    """Cycles of each layer over all images; ``advance`` is called after each layer and image."""

    def use(run: LayerRun) -> tuple[Counted, int]:
        result = run.predicted, run.model_mismatches
        advance()
        return result

    runs = predict_runs(package, config, layers, images, use)
    counted = [result for result, _ in runs]
    step = len(images)
    return NetworkPrediction(
        layers=tuple(
            layer_figures(config, layer, counted[step * n : step * (n + 1)]) for n, layer in enumerate(layers)
        ),
        model_mismatches=sum(mismatches for _, mismatches in runs),
    )
