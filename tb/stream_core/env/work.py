"""Random work for a run: layers under a constraint, and how the streams stall."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.stalls import Stalls, free_running
from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.tb.base.random_work import RandomLayer, random_layer, random_passes, random_stalls
from penni_escalate.tb.base.stimulus import Throttle
from penni_escalate.tb.stream_core.env.pins import StallPattern

#: Draws after which a constraint counts as one that no layer meets.
_DRAWS = 10_000


class Regime(StrEnum):
    """How the streams stall.

    FREE: never. RECORDED: by patterns that the model knows too, so that cycles can be compared. RANDOM: as it happens;
    values are compared, and the counters that do not depend on time.
    """

    FREE = "free"
    RECORDED = "recorded"
    RANDOM = "random"


@dataclass(frozen=True)
class Work:
    """Passes to run back to back from reset.

    Attributes:
        layers: what the passes come from, for coverage.
        inputs: the input of each pass.
        stalls: the recorded patterns; free where there are none.
        seed: of the random stalls.
    """

    name: str
    layers: tuple[RandomLayer, ...]
    passes: tuple[Pass, ...]
    inputs: tuple[SparseTensor, ...]
    regime: Regime
    stalls: Stalls
    seed: int

    def stall_pattern(self, stream: str) -> StallPattern | None:
        """The pattern of a stream, 'load', 'input' or 'output'; None where it never stalls."""
        if self.regime is Regime.FREE:
            return None
        if self.regime is Regime.RANDOM:
            throttle = self._throttle(stream)
            return None if throttle.free else lambda cycle: throttle()
        allowed: list[bool] = getattr(self.stalls, stream).tolist()
        return None if all(allowed) else lambda cycle: allowed[cycle % len(allowed)]

    def share(self, stream: str) -> float:
        """Share of the cycles in which a stream may begin to move."""
        if self.regime is Regime.RANDOM:
            return self._throttle(stream).share
        return float(getattr(self.stalls, stream).mean())

    def _throttle(self, stream: str) -> Throttle:
        return Throttle(random.Random(f"{self.seed} {stream}"))


#: Whether a drawn layer will do, given the one before it in the run.
Constraint = Callable[[RandomLayer, RandomLayer | None], bool]


def anything(drawn: RandomLayer, before: RandomLayer | None) -> bool:
    """No constraint."""
    return True


def other_geometry(drawn: RandomLayer, before: RandomLayer | None) -> bool:
    """Kernel, stride, padding or image differ from the layer before."""
    return before is None or drawn.layer.geometry != before.layer.geometry


def densities(drawn: RandomLayer) -> tuple[float, float]:
    """Shares of the coefficients and of the activations that are not 0."""
    coefficients, activations = drawn.layer.coefficients, drawn.activations
    return np.count_nonzero(coefficients) / coefficients.size, np.count_nonzero(activations) / activations.size


def extreme_sparsity(drawn: RandomLayer, before: RandomLayer | None) -> bool:
    """Coefficients and activations are each nearly all zero or nearly all not; one after another differs."""
    now = [density > 0.5 for density in densities(drawn) if density < 0.05 or density > 0.85]
    if len(now) < 2:
        return False
    return before is None or now != [density > 0.5 for density in densities(before)]


def dense(drawn: RandomLayer, before: RandomLayer | None) -> bool:
    """Many coefficients and activations are not 0, input and output have several groups: errors must show.

    So must a requantization that is wrong, which leaves the bytes of logits as they are.
    """
    g = drawn.layer.geometry
    several = g.height * g.width > 8 and g.out_height * g.out_width > 4
    return several and min(densities(drawn)) > 0.3 and not drawn.layer.logits


def draw_work(
    rng: np.random.Generator,
    config: Accelerator,
    name: str,
    layers: int,
    regime: Regime,
    constraint: Constraint = anything,
) -> Work:
    """So many random layers that meet a constraint. Raises ValueError where none does."""
    drawn: list[RandomLayer] = []
    for number in range(layers):
        before = drawn[-1] if drawn else None
        candidates = (random_layer(rng, config, f"{name}_{number}") for _ in range(_DRAWS))
        layer = next((candidate for candidate in candidates if constraint(candidate, before)), None)
        if layer is None:
            raise ValueError(f"no random layer of {_DRAWS} meets {constraint.__name__}")
        drawn.append(layer)
    return work_of(name, drawn, config, regime, rng)


def work_of(
    name: str, layers: Sequence[RandomLayer], config: Accelerator, regime: Regime, rng: np.random.Generator
) -> Work:
    """The passes of some layers, back to back."""
    passes: list[Pass] = []
    inputs: list[SparseTensor] = []
    for drawn in layers:
        layer_passes = random_passes(rng, drawn.layer, config)
        passes += layer_passes
        inputs += drawn.inputs(config, layer_passes)
    stalls = random_stalls(rng) if regime is Regime.RECORDED else free_running()
    return Work(name, tuple(layers), tuple(passes), tuple(inputs), regime, stalls, seed=int(rng.integers(1 << 31)))
