"""Tables of workloads, and the same as fields of a result file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from penni_escalate.golden.workloads.workload import PruningAssumption, Workload, multiplications


@dataclass(frozen=True)
class LayerSummary:
    """A layer in numbers.

    Attributes:
        geometry, original: as the accelerator runs it, and of the uncompressed network.
        basis: M.
        coefficients, nonzeros: of a layer in dense form, 8-bit weights.
        codes, active_codes: of its input, and how many of them are not 0.
        multiplications: of the uncompressed layer; kept_multiplications: of its dense form at the widths that are kept.
        rivals: share of its weights that rivals keep, by assumption.
    """

    name: str
    geometry: str
    original: str
    repeats: int
    basis: int
    coefficients: int
    nonzeros: int
    codes: int
    active_codes: int
    multiplications: int
    kept_multiplications: int
    weights: int
    rivals: Mapping[str, float]


@dataclass(frozen=True)
class WorkloadSummary:
    """A workload in numbers; its layers are made one after the other, and none is kept."""

    workload: Workload
    layers: tuple[LayerSummary, ...]

    def total(self, field: str) -> int:
        """Sum of a field over the network's layers."""
        return sum(layer.repeats * int(getattr(layer, field)) for layer in self.layers)

    def rival_density(self, assumption: PruningAssumption) -> float | None:
        """Share of all weights that the rivals keep; None where that was not measured."""
        if assumption not in self.workload.assumptions:
            return None
        kept = sum(layer.repeats * layer.weights * layer.rivals[assumption.value] for layer in self.layers)
        return kept / self.total("weights")

    def as_json(self) -> dict[str, Any]:
        """For result files."""
        workload = self.workload
        return {
            "name": workload.name,
            "title": workload.title,
            "drawn": workload.drawn,
            "note": workload.note,
            **{
                field: self.total(field)
                for field in ("multiplications", "kept_multiplications", "coefficients", "nonzeros", "weights")
            },
            "rival_density": {assumption.value: self.rival_density(assumption) for assumption in PruningAssumption},
            "rivals_not_measured": workload.rivals.unmeasured,
            "layers": [asdict(layer) for layer in self.layers],
            "left_out": [asdict(layer) for layer in workload.left_out],
        }


def summarise(workload: Workload) -> WorkloadSummary:
    """Make every layer once and count."""
    densities = {assumption.value: workload.rival_densities(assumption) for assumption in workload.assumptions}
    layers = []
    for layer in workload.each_layer():
        original, geometry = layer.original, layer.layer.geometry
        layers.append(
            LayerSummary(
                name=layer.name,
                geometry=str(geometry),
                original=str(original),
                repeats=layer.repeats,
                basis=layer.layer.rows_used,
                coefficients=layer.layer.weights.size,
                nonzeros=layer.nonzeros,
                codes=layer.activations.size,
                active_codes=int(np.count_nonzero(layer.activations)),
                multiplications=multiplications(original),
                kept_multiplications=multiplications(geometry),
                weights=original.kernels * original.channels * original.kernel_height * original.kernel_width,
                rivals={name: float(found[layer.name]) for name, found in densities.items()},
            )
        )
    return WorkloadSummary(workload, tuple(layers))


def sort_of(workload: Workload) -> str:
    """Whether its numbers are a trained network's."""
    return "drawn" if workload.drawn else "measured"


def _share(part: float | None, whole: float = 1) -> str:
    return "-" if part is None else f"{part / whole:.1%}"


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f}"


def workloads_table(summaries: Sequence[WorkloadSummary]) -> Table:
    """A row each."""
    title = "workloads (T, a: share that is not 0; mult.: multiplications of the dense layers, in millions)"
    table = Table(box=SIMPLE_HEAD, title=title)
    for name in ("workload", "numbers"):
        table.add_column(name, no_wrap=True)
    columns = ("layers", "left out", "mult.", "after shrinking", "non-zeros", "T", "a", "rivals", "rivals, measured")
    for name in columns:
        table.add_column(name, justify="right")
    for summary in summaries:
        workload = summary.workload
        table.add_row(
            workload.name,
            sort_of(workload),
            f"{sum(layer.repeats for layer in summary.layers)}",
            f"{len(workload.left_out)}",
            _millions(summary.total("multiplications")),
            _millions(summary.total("kept_multiplications")),
            f"{summary.total('nonzeros'):,}",
            _share(summary.total("nonzeros"), summary.total("coefficients")),
            _share(summary.total("active_codes"), summary.total("codes")),
            _share(summary.rival_density(PruningAssumption.UNIFORM)),
            _share(summary.rival_density(PruningAssumption.MEASURED)),
        )
    return table


def layers_table(summary: WorkloadSummary) -> Table:
    """The layers of one workload."""
    workload = summary.workload
    sort = "" if workload.drawn else ", measured"
    title = (
        f"{workload.title}{sort} (T, a: share that is not 0; mult.: multiplications of the dense layer, in millions)"
    )
    table = Table(box=SIMPLE_HEAD, title=title)
    # Most networks are not shrunk.
    shrunk = any(layer.original != layer.geometry for layer in summary.layers)
    for name in ("layer", "geometry", *(["before shrinking"] if shrunk else [])):
        table.add_column(name, no_wrap=True)
    for name in ("M", "non-zeros", "T", "a", "mult.", *(f"rivals {name}" for name in workload.assumptions)):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in summary.layers:
        table.add_row(
            layer.name if layer.repeats == 1 else f"{layer.name} x {layer.repeats}",
            layer.geometry,
            *(["the same" if layer.original == layer.geometry else layer.original] if shrunk else []),
            f"{layer.basis}",
            f"{layer.nonzeros:,}",
            _share(layer.nonzeros, layer.coefficients),
            _share(layer.active_codes, layer.codes),
            _millions(layer.multiplications),
            *(_share(density) for density in layer.rivals.values()),
        )
    table.add_section()
    table.add_row(
        "all",
        *([""] * (3 if shrunk else 2)),
        f"{summary.total('nonzeros'):,}",
        _share(summary.total("nonzeros"), summary.total("coefficients")),
        _share(summary.total("active_codes"), summary.total("codes")),
        _millions(summary.total("multiplications")),
        *(_share(summary.rival_density(assumption)) for assumption in workload.assumptions),
    )
    return table
