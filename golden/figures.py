"""What is said of a layer's cycles, whoever counted them: the cycle model or the Verilog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.baselines import Baseline, budget_of, dense_baselines, dense_layer
from penni_escalate.golden.bound import Bound
from penni_escalate.golden.cycle.account import AddCycles, Cause
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stream_core import CoreCounter
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.losses import Share, losses_of, waiting_clusters


@dataclass(frozen=True)
class Counted:
    """One layer on one image.

    Attributes:
        rows_at_work: the most rows of a block that have coefficients.
        outputs: of a block.
        cycles: of each cluster, from the start of its first pass to the end of its last.
        activation_density: share of the input codes that are not 0.
        baselines: cycles of each dense baseline, by its name.
        bound: of the same work.
        block_counters: int64 (7,), by BlockCounter: sums over the blocks.
        core_counters: int64 (7,), by CoreCounter: sums over the clusters.
        causes: int64 (11,), by Cause; adding: int64 (2,), by AddCycles: the cycle model's, over all blocks.
    """

    passes: int
    rows_at_work: int
    outputs: int
    cycles: tuple[int, ...]
    activation_density: float
    baselines: Mapping[str, int]
    bound: Bound
    block_counters: np.ndarray
    core_counters: np.ndarray
    causes: np.ndarray
    adding: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Cycles, beside the bound and the baselines.

    Attributes:
        balanced_cycles: what additions and products alone would take, shared over all rows of all blocks.
    """

    cycles: int
    bound_cycles: int
    balanced_cycles: int
    baselines: Mapping[str, int]

    @property
    def utilisation(self) -> float:
        """Bound over cycles; 0 where there were none."""
        return self.bound_cycles / self.cycles if self.cycles else 0.0

    @property
    def balance(self) -> float:
        """Perfectly balanced work over cycles; 0 where there were none."""
        return self.balanced_cycles / self.cycles if self.cycles else 0.0

    def speedup(self, baseline: Baseline) -> float:
        """A baseline's cycles over the cycles; 0 where there were none."""
        return self.baselines[baseline.name] / self.cycles if self.cycles else 0.0

    def as_json(self) -> dict[str, Any]:
        """For result files; the cycles themselves are named by who counted them."""
        return {
            "bound_cycles": self.bound_cycles,
            "utilisation": self.utilisation,
            "balanced_cycles": self.balanced_cycles,
            "balance": self.balance,
            "baselines": {
                baseline.name: {"cycles": self.baselines[baseline.name], "speedup": self.speedup(baseline)}
                for baseline in dense_baselines()
            },
        }


@dataclass(frozen=True, kw_only=True)
class LayerFigures(Figures):
    """One layer over all images; cycles and counters are sums.

    Attributes:
        activation_density: mean over the images.
        counters: by name in lower case; summed over blocks where a block counts.
        block_cycles: cycles of all blocks.
        losses: where they go, as shares of them.
    """

    layer: Convolution
    passes: int
    activation_density: float
    bound: Bound
    counters: Mapping[str, int]
    block_cycles: int
    losses: Mapping[Share, float]

    def share(self, counter: BlockCounter) -> float:
        """A block counter as a share of all blocks' cycles."""
        return self.counters[counter.name.lower()] / self.block_cycles if self.block_cycles else 0.0

    def as_json(self) -> dict[str, Any]:
        """As in Figures, and what is the layer's own."""
        return {
            "name": self.layer.name,
            "geometry": str(self.layer.geometry),
            "passes": self.passes,
            "coefficient_density": self.layer.coefficient_density,
            "activation_density": self.activation_density,
            **super().as_json(),
            "bound_by": self.bound.limit,
            "losses": dict(self.losses),
            "counters": dict(self.counters),
        }


def baselines_of(layer: Convolution, activations: np.ndarray, config: Accelerator) -> dict[str, int]:
    """Each dense baseline's cycles for a layer and its input codes (H, W, C), with the resources of a configuration.

    A compressed layer has no pruned weights, which the sparse baselines need. A sum over all pixels is made before it
    is multiplied, and costs them nothing.
    """
    g = layer.geometry
    if layer.summed:
        g = replace(g, height=1, width=1, kernel_height=1, kernel_width=1, stride=1)
        activations = activations.max(axis=(0, 1), keepdims=True)
    dense = dense_layer(layer.name, g, activations)
    return {baseline.name: baseline.run(dense, budget_of(config)).cycles for baseline in dense_baselines()}


def baseline_cycles(layers: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Sums of each baseline's cycles."""
    return {baseline.name: sum(cycles[baseline.name] for cycles in layers) for baseline in dense_baselines()}


def layer_figures(config: Accelerator, layer: Convolution, images: Sequence[Counted]) -> LayerFigures:
    """A layer's figures from what was counted on each image; there must be one."""
    blocks = sum((image.block_counters for image in images), np.zeros(len(BlockCounter), np.int64))
    core = sum((image.core_counters for image in images), np.zeros(len(CoreCounter), np.int64))
    bound = reduce(add, (image.bound for image in images))
    cycles = sum(max(image.cycles) for image in images)
    return LayerFigures(
        layer=layer,
        passes=images[0].passes,
        activation_density=float(np.mean([image.activation_density for image in images])),
        cycles=cycles,
        bound=bound,
        bound_cycles=bound.cycles,
        balanced_cycles=bound.balanced,
        baselines=baseline_cycles([image.baselines for image in images]),
        counters={counter.name.lower(): int(blocks[counter]) for counter in BlockCounter}
        | {counter.name.lower(): int(core[counter]) for counter in CoreCounter},
        block_cycles=config.clusters * config.blocks * cycles,
        losses=losses_of(
            config,
            images[0].rows_at_work,
            images[0].outputs,
            int(blocks[BlockCounter.PRODUCTS]),
            sum((image.causes for image in images), np.zeros(len(Cause), np.int64)),
            sum((image.adding for image in images), np.zeros(len(AddCycles), np.int64)),
            sum(waiting_clusters(config, image.cycles) for image in images),
        ),
    )


def total_figures(layers: Sequence[Figures]) -> Figures:
    """Sums over layers."""
    return Figures(
        cycles=sum(layer.cycles for layer in layers),
        bound_cycles=sum(layer.bound_cycles for layer in layers),
        balanced_cycles=sum(layer.balanced_cycles for layer in layers),
        baselines=baseline_cycles([layer.baselines for layer in layers]),
    )
