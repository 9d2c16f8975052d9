"""Workloads of networks without a trained model: the papers' shapes with drawn coefficients and activations."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from penni_escalate.golden.codes import code_range
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind
from penni_escalate.golden.workloads.draw import draw_activations, draw_coefficients, draw_kernels, scaling
from penni_escalate.golden.workloads.entries import DrawnEntry, FitEntry, LayerEntry, densities
from penni_escalate.golden.workloads.rivals import RivalLayer
from penni_escalate.golden.workloads.streams import Purpose, stream
from penni_escalate.golden.workloads.totals import basis_operations, fit_additions, fit_both_totals
from penni_escalate.golden.workloads.workload import LeftOut, WorkloadLayer, multiplications


def drawn_left_out(entry: DrawnEntry) -> tuple[LeftOut, ...]:
    """The layers that do not count."""
    counted = {layer.name for layer in entry.counted}
    return tuple(
        LeftOut(layer.name, layer.chosen_kind.value, "depthwise layers do not count yet", _own_multiplications(layer))
        for layer in entry.layers
        if layer.name not in counted
    )


def drawn_rivals(entry: DrawnEntry) -> list[RivalLayer]:
    """The uncompressed layers."""
    kept = densities(entry.rivals.densities, [layer.name for layer in entry.counted], "rivals.densities")
    return [
        RivalLayer(layer.name, layer.geometry(kept=False), layer.repeats, kept[layer.name]) for layer in entry.counted
    ]


def nonzero_coefficients(entry: DrawnEntry) -> Mapping[str, int]:
    """How many coefficients of each layer with ternary coefficients are not 0.

    Raises ValueError where published totals cannot be reached.
    """
    slots = {name: _slots(layer, entry.basis) for name, layer in entry.ternary.items()}
    given = densities(entry.coefficients, slots, "coefficients", all_of_them=False)
    counts = {name: round(given[name] * slots[name]) for name in given}
    if entry.fit is not None:
        counts |= _fitted(entry, entry.fit, slots, counts)
    return {name: counts[name] for name in slots}


def _fitted(entry: DrawnEntry, fit: FitEntry, slots: Mapping[str, int], given: Mapping[str, int]) -> dict[str, int]:
    """Counts of the layers whose density is not given, from what the others leave of the published totals."""
    geometries = {name: layer.geometry(kept=False) for name, layer in entry.ternary.items()}
    pixels = {name: g.out_height * g.out_width for name, g in geometries.items()}
    basis = [_rows(layer, entry.basis) for layer in entry.ternary.values()]
    dense = sum(
        multiplications(layer.geometry(kept=False)) for layer in entry.counted if layer.name not in entry.ternary
    )
    additions = fit.operations - fit.classifier - dense - basis_operations(list(geometries.values()), basis)
    additions -= sum(count * pixels[name] for name, count in given.items())
    free = [name for name in slots if name not in given]
    sizes, places = np.array([slots[name] for name in free]), np.array([pixels[name] for name in free])
    if fit.nonzeros is None:
        counts = fit_additions(sizes, places, additions)
    else:
        counts = fit_both_totals(sizes, places, fit.nonzeros - sum(given.values()), additions)
    return {name: int(count) for name, count in zip(free, counts, strict=True)}


def draw_layer(entry: DrawnEntry, nonzeros: Mapping[str, int], name: str) -> WorkloadLayer:
    """One layer, from streams of random numbers of its own.

    Args:
        nonzeros: result of ``nonzero_coefficients``.
    """
    layer = next(layer for layer in entry.counted if layer.name == name)
    density = densities(entry.activations, [counted.name for counted in entry.counted], "activations")[name]
    g = layer.geometry(kept=True)
    seeded = partial(stream, entry.seed, name)
    activations = draw_activations(
        seeded(Purpose.ACTIVATIONS), (g.height, g.width, g.channels), density, entry.spread, signed=layer.signed
    )
    m = _rows(layer, entry.basis)
    if layer.chosen_kind is LayerKind.DENSE:
        coefficients = np.broadcast_to(np.eye(m, dtype=np.int8), (g.kernels, m, m))
        basis = draw_kernels(seeded(Purpose.BASIS), (g.kernels, m, g.kernel_height, g.kernel_width))
    else:
        coefficients = draw_coefficients(
            seeded(Purpose.COEFFICIENTS), g.kernels, g.channels, m, nonzeros[name], entry.spread
        )
        one = layer.chosen_kind is LayerKind.POINTWISE
        shape = (m, g.kernel_height, g.kernel_width)
        basis = np.ones(shape, np.int8) if one else draw_kernels(seeded(Purpose.BASIS), shape)
    multiplier, shift = _requantization(coefficients, basis, activations)
    low, high = code_range(signed=False)
    return WorkloadLayer(
        name=name,
        layer=Convolution(
            name=name,
            sources=("input",),
            kind=LayerKind.DENSE if layer.chosen_kind is LayerKind.DENSE else LayerKind.DECOMPOSED,
            geometry=g,
            signed_in=layer.signed,
            coefficients=coefficients,
            basis=basis,
            exponent=np.zeros(m, np.uint8),
            bias=np.zeros(g.kernels, np.int32),
            multiplier=np.full(g.kernels, multiplier, np.uint16),
            shift=np.full(g.kernels, shift, np.uint8),
            low=low,
            high=high,
            signed_out=False,
        ),
        activations=activations,
        original=layer.geometry(kept=False),
        repeats=layer.repeats,
        seed=entry.seed,
        spread=entry.spread,
    )


def _rows(layer: LayerEntry, basis: int) -> int:
    """M: rows of a block that the layer uses."""
    if layer.chosen_kind is LayerKind.DENSE:
        return layer.geometry(kept=True).channels
    return 1 if layer.chosen_kind is LayerKind.POINTWISE else layer.basis or basis


def _slots(layer: LayerEntry, basis: int) -> int:
    """Coefficients, zeros included."""
    g = layer.geometry(kept=True)
    return g.kernels * g.channels * _rows(layer, basis)


def _own_multiplications(layer: LayerEntry) -> int:
    """Of a depthwise layer: an output channel sees one input channel."""
    g = layer.geometry(kept=False)
    return multiplications(g) // g.channels


def _requantization(coefficients: np.ndarray, basis: np.ndarray, activations: np.ndarray) -> tuple[int, int]:
    """Multiplier and shift that bring the accumulator's standard deviation to about 64 codes.

    Its variance is taken to be the number of products times the mean squares of their factors.
    """
    sums = (basis.astype(np.float64) ** 2).sum(axis=(-2, -1))
    energy = float((np.count_nonzero(coefficients, axis=1) * sums).sum(axis=1).mean())
    deviation = np.sqrt(max(1.0, energy * float((activations.astype(np.float64) ** 2).mean())))
    multiplier, shift = scaling(np.array([64 / deviation]))
    return int(multiplier[0]), int(shift[0])
