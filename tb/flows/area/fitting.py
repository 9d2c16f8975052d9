"""Fits each unit's area to its terms: least squares of the relative errors, coefficients not negative."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penni_escalate.common.versions import tool_versions
from penni_escalate.golden.area.estimate import AreaEstimate, Fit, UnitFit, area_of
from penni_escalate.golden.area.terms import UNIT_TERMS, Shape
from penni_escalate.tb.base.yosys import PACKAGE
from penni_escalate.tb.flows.area.hierarchy import CoreArea, UnitArea

COMMAND = "penni-escalate area --fit"
#: A gradient below this share of the largest counts as none.
_TOLERANCE = 1e-10


def non_negative_least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The x >= 0 that makes |matrix x - target| least (Lawson, Hanson: Solving Least Squares Problems, chapter 23).

    Args:
        matrix: float64 (rows, columns); target: float64 (rows,).

    Returns float64 (columns,).
    """
    columns = matrix.shape[1]
    # Columns of one size, so that one tolerance serves all.
    scale = np.linalg.norm(matrix, axis=0)
    scale = np.where(scale, scale, 1)
    scaled = matrix / scale
    x, free, refused = np.zeros(columns), np.zeros(columns, bool), np.zeros(columns, bool)
    while True:
        gradient = scaled.T @ (target - scaled @ x)
        gradient[free | refused] = -np.inf
        entering = int(np.argmax(gradient))
        if gradient[entering] <= _TOLERANCE * np.linalg.norm(target):
            return x / scale
        before, free[entering] = x, True
        while True:
            solution = np.zeros(columns)
            solution[free] = np.linalg.lstsq(scaled[:, free], target, rcond=None)[0]
            wrong = free & (solution <= _TOLERANCE)
            if not wrong.any():
                break
            # As far towards the solution as all stay at least 0; who gets there first is held.
            steps = x[wrong] / np.maximum(x[wrong] - solution[wrong], np.finfo(float).tiny)
            x = x + min(1.0, steps.min()) * (solution - x)
            held = wrong & (x <= _TOLERANCE)
            free &= ~held
            x[~free] = 0
        x = solution
        # A column that nearly is a sum of others may be let in and held for ever, by rounding errors.
        better = np.linalg.norm(target - scaled @ x) < np.linalg.norm(target - scaled @ before) * (1 - _TOLERANCE)
        refused[:] = False if better else refused
        refused[entering] |= not better


@dataclass(frozen=True)
class Comparison:
    """A configuration by the fit and by Yosys."""

    counted: CoreArea
    estimate: AreaEstimate

    @property
    def error(self) -> float:
        """Of the whole area, as a share."""
        return self.estimate.ge / self.counted.ge - 1

    @property
    def unit_errors(self) -> dict[str, float]:
        """Of each unit's area by itself, as shares."""
        return {unit.name: self.estimate.units[unit.name].ge / unit.ge - 1 for unit in self._fitted}

    @property
    def worst_unit(self) -> str:
        """The unit whose error is the largest share of the whole area."""
        estimate = self.estimate.units
        return max(self._fitted, key=lambda unit: abs(estimate[unit.name].total_ge - unit.total_ge)).name

    @property
    def _fitted(self) -> list[UnitArea]:
        """The units that the fit has: what joins clusters is wires alone."""
        return [unit for unit in self.counted.units if unit.name in self.estimate.units]


def compare(counted: CoreArea, fit: Fit | None = None) -> Comparison:
    """Compare a configuration's area with the fit; with the project's own where none is given."""
    return Comparison(counted, area_of(counted.config, fit))


def fit_areas(areas: Sequence[CoreArea], elements: Mapping[str, float]) -> Fit:
    """Fit all units.

    Args:
        areas: of many configurations.
        elements: GE of the rivals' processing elements, by sketch.
    """
    units = {}
    for name, terms in UNIT_TERMS.items():
        # Units that are the same in several configurations count once.
        points = {
            (tuple(terms(Shape(area.config)).values()), unit.ge): terms(Shape(area.config))
            for area in areas
            for unit in area.units
            if unit.name == name
        }
        ge = np.array([ge for _, ge in points])
        names = list(next(iter(points.values())))
        numbers = np.array([[float(found[term]) for term in names] for found in points.values()])
        coefficients = non_negative_least_squares(numbers / ge[:, None], np.ones(len(ge)))
        errors = np.abs(numbers @ coefficients / ge - 1)
        units[name] = UnitFit(
            coefficients={term: round(float(value), 4) for term, value in zip(names, coefficients, strict=True)},
            points=len(ge),
            mean_error=round(float(errors.mean()), 4),
            largest_error=round(float(errors.max()), 4),
        )
    return Fit(
        command=COMMAND,
        yosys=tool_versions(PACKAGE)[PACKAGE],
        configurations=len(areas),
        units=units,
        elements={name: round(ge, 1) for name, ge in elements.items()},
    )
