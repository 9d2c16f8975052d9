"""What the accelerator must do with the layers of a package: values, cycles, counters, bound and baselines.

package -> tensors (functional model) -> passes -> cycle model.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.clusters import ClusterRun, bound_of_clusters, layer_outputs, run_clusters
from penni_escalate.golden.cycle.stream_core import CoreCounter
from penni_escalate.golden.figures import Counted, LayerFigures, baselines_of, layer_figures
from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.package import Package
from penni_escalate.golden.schedule import rows_at_work

#: Runs of the cycle model side by side.
_THREADS = 2
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class LayerRun:
    """One layer on one image: what goes in, and what must come out and when.

    Attributes:
        image: its number among the held-out images.
        activations: input codes (H, W, C).
        expected: the functional model's output codes (OH, OW, K), as bytes; a classifier's logits int32 (1, 1, K).
        clusters: what each of them does.
    """

    config: Accelerator
    layer: Convolution
    image: int
    activations: np.ndarray
    expected: np.ndarray
    clusters: tuple[ClusterRun, ...]

    @property
    def model_mismatches(self) -> int:
        """Outputs in which cycle model and functional model differ; channels beyond K must be 0."""
        kernels = self.layer.geometry.kernels
        outputs = layer_outputs(self.clusters, [cluster.trace.outputs for cluster in self.clusters], self.layer)
        return int(np.count_nonzero(outputs[..., :kernels] != self.expected) + np.count_nonzero(outputs[..., kernels:]))

    def counted(self, block_counters: Sequence[np.ndarray], core_counters: Sequence[np.ndarray]) -> Counted:
        """This layer and image with counters of whoever ran it: of each cluster int64 (BLOCKS, 7) and (7,)."""
        passes = [work for cluster in self.clusters for work in cluster.passes]
        return Counted(
            passes=len(passes),
            rows_at_work=rows_at_work(passes),
            outputs=passes[0].outputs,
            cycles=tuple(
                int(core[CoreCounter.CYCLES]) + cluster.trace.gaps
                for cluster, core in zip(self.clusters, core_counters, strict=True)
            ),
            activation_density=float(np.count_nonzero(self.activations) / self.activations.size),
            baselines=baselines_of(self.layer, self.activations, self.config),
            bound=bound_of_clusters(self.config, self.clusters),
            block_counters=np.sum([counters.sum(axis=0) for counters in block_counters], axis=0),
            core_counters=np.sum(core_counters, axis=0),
            causes=np.sum([cluster.trace.causes for cluster in self.clusters], axis=0),
            adding=np.sum([cluster.trace.adding for cluster in self.clusters], axis=0),
        )

    @property
    def predicted(self) -> Counted:
        """This layer and image with the cycle model's counters."""
        return self.counted(
            [cluster.trace.block_counters for cluster in self.clusters],
            [cluster.trace.core_counters for cluster in self.clusters],
        )


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
        skip = None if layer.skip is None else tensors[layer.skip.source][place]
        clusters = run_clusters(layer, activations, config, skip)
        result = tensors[layer.name][place]
        expected = result.reshape(1, 1, -1) if layer.logits else result.view(np.uint8)
        return use(LayerRun(config, layer, images[place], activations, expected, clusters))

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
