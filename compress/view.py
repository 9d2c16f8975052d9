"""What a network's page shows: the figures of a run's report, or what a package alone tells, in rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.validation import first_problem
from penni_escalate.compress.cost_model import EXPONENT_BITS, SCALE_BITS, Cost, penni_operations, ratio
from penni_escalate.compress.decompose import Decomposed
from penni_escalate.compress.graph import Role
from penni_escalate.compress.measure import Measured
from penni_escalate.compress.report import Report, Step
from penni_escalate.golden.package import Package

#: Name that a manifest's scores have for the float network: of the step that trains it.
_FLOAT = "train"

_REPORT = TypeAdapter(Report)
_COSTS = TypeAdapter(list[Cost])
_DECOMPOSED = TypeAdapter(list[Decomposed])
_MEASURED = TypeAdapter(list[Measured])


@dataclass(frozen=True)
class StepRow:
    """The network after a step; units as in report.Step. None: not known."""

    name: str
    score: float
    sparsity: float | None = None
    parameters: int | None = None
    operations: int | None = None
    multiplications: int | None = None
    additions: int | None = None
    coded_bits: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class LayerRow:
    """A layer with weights after the last step. None: not known, or the layer has no such number.

    Attributes:
        in_shape, out_shape: (channels, height, width).
        kernel: (height, width).
        rows: basis kernels M.
        weights: of the float network's layer.
        coefficients: ternary coefficients, zero or not; nonzero: those that are not zero, or a dense layer's weights.
        density: nonzero over coefficients.
        sparsity: zeros among the coefficients before channels were sliced away, which count as zeros.
        coded_bits: of its weights in the accelerator's form.
        ratio: bits of its 32-bit floating-point weights over coded_bits.
        activation_density: share of its input codes that are not zero.
        multiplications, additions: in ESCALATE's order by the formulas, for one image.
        exact_multiplications, exact_additions: counted on real images, see measure.count; for one image.
    """

    name: str
    role: str
    in_shape: tuple[int, int, int] | None
    out_shape: tuple[int, int, int] | None
    kernel: tuple[int, int] | None
    rows: int
    weights: int | None
    coefficients: int | None
    nonzero: int
    density: float | None
    sparsity: float | None
    coded_bits: int
    ratio: float | None
    activation_density: float | None
    multiplications: int
    exact_multiplications: int | None
    additions: int
    exact_additions: float | None


@dataclass(frozen=True)
class BasisRow:
    """What decomposing a layer did, see decompose.Decomposed; before and after rotating the basis.

    Attributes:
        singular: singular values, the largest first.
        error: relative Frobenius norm of what the basis does not represent.
        sparsity_*: share of coefficients that may be zero at the same relative error.
        balance_*: non-zero coefficients of the fullest row over the rows' mean.
        l1_*: mean |coefficient|.
    """

    name: str
    rows: int
    error: float
    sparsity_before: float | None
    sparsity_after: float | None
    balance_before: float | None
    balance_after: float | None
    l1_before: float | None
    l1_after: float | None
    singular: tuple[float, ...]


@dataclass(frozen=True)
class ScoreRow:
    """What a result of the network scores after a step."""

    step: str
    layer: str
    measure: str
    score: float


@dataclass(frozen=True)
class ResultRow:
    """A result of the network: the layer that gives it, and what it scores in the float and the integer network."""

    layer: str
    measure: str
    float_score: float | None
    score: float


@dataclass(frozen=True)
class View:
    """All that is shown of a network. None: not known.

    Attributes:
        measure: of the main result.
        score, float_score: of the integer network and of the float network, the main result's.
        coefficient_sparsity: share of zeros among the coefficients that become ternary.
        coded_bits: of all weights; convolution_bits: of all but the classifier's.
        convolution_weights: of the float network.
        ratio: bits of the 32-bit floating-point convolutions over convolution_bits.
        seconds: of the run.
        images: on which activations and exact operations were measured.
        tools: versions of what made it; empty where not known.
        results: all of them, the main one first, where there are several; else none.
        scores: of these after each step.
    """

    network: str
    data: str
    measure: str
    seed: int
    score: float
    float_score: float | None
    coefficient_sparsity: float | None
    coded_bits: int
    convolution_bits: int
    convolution_weights: int | None
    ratio: float | None
    seconds: float | None
    images: int | None
    steps: tuple[StepRow, ...]
    layers: tuple[LayerRow, ...]
    bases: tuple[BasisRow, ...]
    tools: dict[str, str]
    results: tuple[ResultRow, ...] = ()
    scores: tuple[ScoreRow, ...] = ()

    def total(self, field: str) -> float | None:
        """Sum of a field over all layers; None where one is not known."""
        values = [getattr(layer, field) for layer in self.layers]
        return None if None in values else sum(values)


def read_report(path: Path) -> Report:
    """Read a run's report.

    Raises UserError, naming file and field, where it is not one.
    """
    try:
        report = _REPORT.validate_json(path.read_bytes())
        if not report.steps:
            raise UserError(f"{relative(path)}: field 'steps' is empty: a report has at least one step.")
        further = [one.layer for one in report.results[1:]]
        for step in report.steps:
            if list(step.further_scores) != further:
                raise UserError(
                    f"{relative(path)}: field 'further_scores' of step '{step.name}' must have the results behind the "
                    f"first, {', '.join(further) or 'none'}."
                )
        # Rows are plain mappings in the report's type: their fields are checked where they are read.
        view_of_report(report)
    except OSError as error:
        raise UserError(f"{relative(path)} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        raise UserError(
            f"{relative(path)} is not a report of a compression run ({first_problem(error)}): compress the network "
            "again, or remove the file."
        ) from None
    return report


def view_of_report(report: Report, measured: Sequence[Measured] | None = None) -> View:
    """The view of a run.

    Args:
        measured: of the package's layers; those in the last step's details if None.

    Raises ValidationError where a step's rows are not such.
    """
    if measured is None:
        measured = _MEASURED.validate_python(_details(report, "export"))
    last = report.steps[-1]
    before = {cost.name: cost for cost in _costs(report.steps[0])}
    most: dict[str, int] = {}
    for step in report.steps:
        for cost in _costs(step):
            most[cost.name] = max(most.get(cost.name, 0), cost.coefficients)
    found = {layer.name: layer for layer in measured}
    rows = tuple(
        _layer_row(cost, before.get(cost.name, cost).weights, most[cost.name], found.get(cost.name))
        for cost in _costs(last)
    )
    return View(
        network=report.network,
        data=report.data,
        measure=report.measure,
        seed=report.seed,
        score=report.integer_score,
        float_score=report.steps[0].score,
        coefficient_sparsity=report.coefficient_sparsity,
        coded_bits=last.coded_bits,
        convolution_bits=report.convolution_bits,
        convolution_weights=report.convolution_weights,
        ratio=ratio(report.convolution_weights, report.convolution_bits),
        seconds=report.seconds,
        images=measured[0].images if measured else None,
        steps=tuple(_step_row(step) for step in report.steps),
        layers=rows,
        bases=tuple(_basis_row(layer) for layer in _DECOMPOSED.validate_python(_details(report, "decompose"))),
        tools=report.tools,
        results=tuple(
            ResultRow(one.layer, one.measure, _step_score(report.steps[0], one.layer), one.integer_score)
            for one in report.results
        ),
        scores=tuple(
            ScoreRow(step.name, one.layer, one.measure, _step_score(step, one.layer))
            for step in report.steps
            for one in report.results
        ),
    )


def view_of_package(package: Package, measured: Sequence[Measured], scores: Mapping[str, float]) -> View:
    """What a package tells without the report of its run.

    Its layers are those after slicing, so the float network's numbers are not known.

    Args:
        scores: of the integer network, measured, by the result's layer.
    """
    manifest = package.manifest
    costs = [_cost(layer) for layer in measured if layer.weights and layer.role != "select"]
    found = {layer.name: layer for layer in measured}
    coefficients = sum(cost.coefficients for cost in costs)
    nonzero = sum(cost.nonzero for cost in costs if cost.coefficients)
    results = package.results if len(package.results) > 1 else ()
    return View(
        network=manifest.network,
        data=manifest.data,
        measure=manifest.measure.value,
        seed=manifest.seed,
        score=scores[package.result.layer],
        float_score=package.result.scores.get(_FLOAT),
        coefficient_sparsity=1 - nonzero / coefficients if coefficients else None,
        coded_bits=sum(cost.coded_bits for cost in costs),
        convolution_bits=sum(cost.coded_bits for cost in costs if cost.role is not Role.CLASSIFIER),
        convolution_weights=None,
        ratio=None,
        seconds=None,
        images=measured[0].images,
        steps=tuple(StepRow(name, value) for name, value in manifest.scores.items()),
        layers=tuple(_layer_row(cost, None, None, found[cost.name]) for cost in costs),
        bases=(),
        tools={},
        results=tuple(
            ResultRow(one.layer, one.measure.value, one.scores.get(_FLOAT), scores[one.layer]) for one in results
        ),
        scores=tuple(
            ScoreRow(step, one.layer, one.measure.value, one.scores[step])
            for step in manifest.scores
            for one in results
            if step in one.scores
        ),
    )


def _details(report: Report, name: str) -> list[dict[str, object]]:
    return next((step.details for step in report.steps if step.name == name), [])


def _step_score(step: Step, layer: str) -> float:
    return step.further_scores.get(layer, step.score)


def _costs(step: Step) -> list[Cost]:
    return _COSTS.validate_python(step.layers)


def _step_row(step: Step) -> StepRow:
    return StepRow(**{name: getattr(step, name) for name in StepRow.__dataclass_fields__})


def _layer_row(cost: Cost, weights: int | None, before: int | None, measured: Measured | None) -> LayerRow:
    ternary = cost.coefficients > 0
    return LayerRow(
        name=cost.name,
        role=cost.role.value,
        in_shape=measured.in_shape if measured else None,
        out_shape=measured.out_shape if measured else None,
        kernel=measured.kernel if measured else None,
        rows=cost.rows,
        weights=weights,
        coefficients=cost.coefficients if ternary else None,
        nonzero=cost.nonzero,
        density=cost.nonzero / cost.coefficients if ternary else None,
        sparsity=1 - cost.nonzero / (before or cost.coefficients) if ternary else None,
        coded_bits=cost.coded_bits,
        ratio=None if weights is None else ratio(weights, cost.coded_bits),
        activation_density=measured.activation_density if measured else None,
        multiplications=cost.multiplications,
        exact_multiplications=measured.multiplications if measured else None,
        additions=cost.additions,
        exact_additions=measured.additions if measured else None,
    )


def _basis_row(layer: Decomposed) -> BasisRow:
    rotation = layer.rotation
    return BasisRow(
        name=layer.name,
        rows=layer.rows,
        error=layer.error,
        sparsity_before=rotation.sparsity[0] if rotation else None,
        sparsity_after=rotation.sparsity[1] if rotation else None,
        balance_before=rotation.balance[0] if rotation else None,
        balance_after=rotation.balance[1] if rotation else None,
        l1_before=rotation.l1[0] if rotation else None,
        l1_after=rotation.l1[1] if rotation else None,
        singular=layer.singular,
    )


def _cost(layer: Measured) -> Cost:
    """A layer's cost from its package, by the formulas of cost_model; batch norm has no parameters any more."""
    kernels, height, width = layer.out_shape
    pixels, size = height * width, layer.kernel[0] * layer.kernel[1]
    role = Role(layer.role)
    shared = layer.rows * size if role is Role.DECOMPOSED else 0
    kernel_bits = 0 if layer.coefficients else 8 * layer.weights
    dense = pixels * layer.nonzero
    multiplications, additions, operations = dense, dense, dense
    if role is Role.DECOMPOSED:
        channels, in_height, in_width = layer.in_shape
        multiplications, additions = pixels * kernels * shared, layer.nonzero * in_height * in_width
        kernel_bits = 8 * shared + EXPONENT_BITS * layer.rows
        operations = penni_operations(pixels, channels, layer.rows, size, layer.nonzero)
    elif layer.coefficients:
        multiplications = pixels * kernels
    return Cost(
        name=layer.name,
        role=role,
        rows=layer.rows if role is Role.DECOMPOSED else 1,
        weights=layer.weights,
        coefficients=layer.coefficients,
        nonzero=layer.nonzero,
        parameters=layer.nonzero + shared,
        operations=operations,
        multiplications=multiplications,
        additions=additions,
        map_bits=layer.coefficients,
        sign_bits=layer.nonzero if layer.coefficients else 0,
        kernel_bits=kernel_bits,
        scale_bits=SCALE_BITS * kernels,
    )
