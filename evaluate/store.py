"""Layers of workloads, evaluated in two processes and kept as they come."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from penni_escalate.common.errors import UserError
from penni_escalate.common.results import write_json
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.evaluate.machine import Performance, run_layer
from penni_escalate.evaluate.rivals import run_rivals
from penni_escalate.golden.baselines import Budget, Outcome
from penni_escalate.golden.baselines.claims import Claim, claims_table
from penni_escalate.golden.bound import Resource
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.losses import Share
from penni_escalate.golden.workloads import Workload, load_workload
from penni_escalate.golden.workloads.workload import multiplications


@dataclass(frozen=True)
class LayerResult:
    """One of a workload's layers on one image.

    Attributes:
        geometry, width: of the uncompressed layer; the width of its input.
        repeats: layers of the network that it stands for; every number is of one.
        dense_multiplications: of the uncompressed layer.
        rivals: by the key of their terms.
    """

    name: str
    geometry: str
    width: int
    repeats: int
    dense_multiplications: int
    coefficient_density: float
    activation_density: float
    own: Performance
    rivals: Mapping[str, Outcome]

    def as_fields(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @staticmethod
    def of_fields(fields: Mapping[str, Any]) -> "LayerResult":
        """From what ``as_fields`` gave."""
        own = fields["own"]
        return LayerResult(
            **{name: fields[name] for name in fields if name not in ("own", "rivals")},
            own=Performance(
                cycles=own["cycles"],
                bound_cycles=own["bound_cycles"],
                balanced_cycles=own["balanced_cycles"],
                limited_by={Resource(name): cycles for name, cycles in own["limited_by"].items()},
                losses={Share(name): cycles for name, cycles in own["losses"].items()},
                counts=AccessCounts(**own["counts"]),
            ),
            rivals={
                key: Outcome(outcome["cycles"], AccessCounts(**outcome["counts"]))
                for key, outcome in fields["rivals"].items()
            },
        )


@lru_cache(maxsize=1)
def _workload(name: str) -> Workload:
    return load_workload(name)


def evaluate_layer(
    config: Accelerator, at_area: Mapping[str, Budget], name: str, layer: str, place: Path
) -> LayerResult:
    """Evaluate a layer, unless its result is kept at ``place``, and keep it there."""
    if place.is_file():
        return LayerResult.of_fields(json.loads(place.read_text()))
    workload = _workload(name)
    work = workload.layer(layer)
    g = work.original
    result = LayerResult(
        name=work.name,
        geometry=str(g),
        width=g.width,
        repeats=work.repeats,
        dense_multiplications=multiplications(g),
        coefficient_density=work.coefficient_density,
        activation_density=work.activation_density,
        own=run_layer(config, work),
        rivals=run_rivals(config, at_area, workload, work),
    )
    write_json(place, result.as_fields())
    return result


def evaluate_workloads(
    config: Accelerator,
    at_area: Mapping[str, Budget],
    workloads: Sequence[tuple[str, Workload]],
    folder: Path,
    jobs: int,
    advance: Callable[[], None],
) -> dict[str, tuple[LayerResult, ...]]:
    """Evaluate every layer of some workloads, by the workloads' names.

    Args:
        workloads: names or files, and what they hold.
        folder: of kept results; its name says what they follow from.
        advance: called after each layer.

    Raises UserError where a process was killed; what is done is kept.
    """
    futures: dict[Future[LayerResult], tuple[str, str]] = {}
    done: dict[tuple[str, str], LayerResult] = {}
    # A worker is started anew, so that it takes the parent's environment before NumPy is imported.
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for source, workload in workloads:
            for layer in workload.names:
                place = folder / workload.name / f"{layer}.json"
                futures[pool.submit(evaluate_layer, config, at_area, source, layer, place)] = (workload.name, layer)
        try:
            for future in as_completed(futures):
                done[futures[future]] = future.result()
                advance()
        except BrokenProcessPool:
            raise UserError(
                f"A process that evaluates was killed, perhaps for memory, after {len(done)} of {len(futures)} layers: "
                "start the same command again, what is done is kept."
            ) from None
        finally:
            for future in futures:
                future.cancel()
    return {workload.name: tuple(done[workload.name, layer] for layer in workload.names) for _, workload in workloads}


def published_claims(place: Path) -> list[Claim]:
    """The rivals' models against their papers, computed unless they are kept at ``place``."""
    if not place.is_file():
        write_json(place, [asdict(claim) for claim in claims_table()])
    return [Claim(**fields) for fields in json.loads(place.read_text())]
