"""The run: a float network, pruned to one density after the other; each leaves a file from which a run goes on."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import lightning
import numpy as np

from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.recipe import SEED_MAX, Phase, Recipe, as_fields
from penni_escalate.compress.report import Step
from penni_escalate.compress.state import load_state, save_state
from penni_escalate.compress.steps import digest
from penni_escalate.compress.training import Runner
from penni_escalate.compress.unstructured.plan import Plan
from penni_escalate.compress.unstructured.result import Point, PrunedLayer
from penni_escalate.compress.unstructured.schedule import (
    GradualPruning,
    mask_of,
    masked_convolutions,
)


class UnstructuredPruning:
    """One run: owns the network, which every density changes in place."""

    def __init__(self, recipe: Recipe, plan: Plan, work: Path, *, progress: bool, step: Callable[[Step], None]) -> None:
        """Train the float network, from its file where ``work`` has it.

        Args:
            recipe: its network, data, float training and distillation are used; and its batch, seed and hardware.
            work: the folder of the run's files.
            step: is given the float network's result.
        """
        self.recipe, self.plan, self.work = recipe, plan, work
        compression = Compression(recipe, work, progress=progress, report=step)
        compression.run(work, last="train")
        self.runner: Runner = compression.runner
        self.network, self.graph = compression.network, compression.graph
        self.float_score = compression.steps[0].score
        self.entries = masked_convolutions(self.network, self.graph)
        self._steps = 0

    def run(self, report: Callable[[Point], None]) -> list[Point]:
        """Every density of the plan, or what is left of them; ``report`` is given each point as it is there."""
        points: list[Point] = []
        for number in range(len(self.plan.densities)):
            point = self._resume(number)
            if point is None:
                point = self._prune(number)
                self._save(number, point)
            points.append(point)
            report(point)
        return points

    def masks(self, number: int) -> Mapping[str, np.ndarray]:
        """The masks of a density that is done, bool (K, C, R, S) by layer."""
        self._resume(number)
        return {entry.layer.name: mask_of(entry).numpy() for entry in self.entries}

    def _prune(self, number: int) -> Point:
        start = time.perf_counter()
        plan = self.plan
        # Every density draws from its own seed, so that a resumed run equals an uninterrupted one.
        lightning.seed_everything((self.recipe.seed + 1_000_003 * (number + 1)) % (SEED_MAX + 1), verbose=False)
        phase = Phase(plan.epochs, plan.learning_rate, plan.relative)
        steps = plan.epochs * self.runner.batches
        falling = min(int(plan.falling * steps), steps - 1)
        features = self.runner.float_features(self.network)
        pruning = GradualPruning(features, self.entries, plan.densities[number], steps=falling, updates=plan.updates)
        self.runner.train(f"density-{number + 1}", self.network, pruning, phase)
        assert pruning.ended
        return Point(
            target=plan.densities[number],
            score=self.runner.score(self.network),
            epochs=plan.epochs * (number + 1),
            steps=steps * (number + 1),
            seconds=round(time.perf_counter() - start, 1),
            layers=tuple(_layer(entry.layer.name, mask_of(entry).numpy()) for entry in self.entries),
        )

    # ---- what a density leaves --------------------------------------------------------------------------

    def _file(self, number: int) -> Path:
        return self.work / f"density-{number + 1}.pt"

    def _key(self, number: int) -> str:
        """Identifies what the result at a density depends on."""
        plan = asdict(self.plan) | {"densities": self.plan.densities[: number + 1]}
        fields = [digest(self.recipe, "train"), as_fields(self.recipe)["distillation"], plan]
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    def _save(self, number: int, point: Point) -> None:
        save_state(
            self._file(number),
            self._key(number),
            self.network,
            self.graph,
            quantized=False,
            tensors={},
            log=asdict(point),
        )

    def _resume(self, number: int) -> Point | None:
        """The point of a density that is done, and its weights and masks in the network; None where it is not."""
        saved = load_state(self._file(number), self._key(number))
        if saved is None:
            return None
        self.network.load_state_dict(saved["weights"])
        fields = json.loads(saved["log"])
        layers = tuple(PrunedLayer(one["name"], tuple(one["shape"]), one["kept"]) for one in fields["layers"])
        return Point(**{**fields, "layers": layers})


def _layer(name: str, mask: np.ndarray) -> PrunedLayer:
    k, c, r, s = mask.shape
    return PrunedLayer(name, (k, c, r, s), int(mask.sum()))
