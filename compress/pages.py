"""A network's page: one HTML file that needs no other, with its figures as CSV and JSON beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penni_escalate.common.html import render_page
from penni_escalate.common.results import json_text
from penni_escalate.common.shared_folder import replaced
from penni_escalate.common.tables import ABSENT, TIMES, Column, csv_text, fixed, integer, shape, share, text_rows
from penni_escalate.compress.plots import plots
from penni_escalate.compress.report import Report
from penni_escalate.compress.view import View, view_of_report

_TEMPLATES = Path(__file__).resolve().parent / "templates"

PAGE = "index.html"
_SCORE = fixed(4)
_TENTHS = fixed(1)

STEP_COLUMNS = (
    Column("name", "step", str, left=True),
    Column("score", "score", _SCORE),
    Column("sparsity", "sparsity", share, "%"),
    Column("parameters", "parameters", integer),
    Column("operations", "operations (PENNI)", integer),
    Column("multiplications", "multiplications", integer),
    Column("additions", "additions", integer),
    Column("coded_bits", "coded size", integer, "bit"),
    Column("seconds", "time", _TENTHS, "s"),
)
SCORE_COLUMNS = (
    Column("step", "step", str, left=True),
    Column("layer", "result", str, left=True),
    Column("measure", "measure", str, left=True),
    Column("score", "score", _SCORE),
)
_NAME = Column("name", "layer", str, left=True)
_ROLE = Column("role", "role", str, left=True)
_ACTIVE = Column("activation_density", "active", share, "%")
STORAGE_COLUMNS = (
    _NAME,
    _ROLE,
    Column("in_shape", "input", shape, TIMES.join("CHW")),
    Column("out_shape", "output", shape, TIMES.join("KHW")),
    Column("kernel", "kernel", shape, TIMES.join("RS")),
    Column("rows", "rows M", integer),
    Column("weights", "weights", integer),
    Column("coefficients", "coefficients", integer),
    Column("nonzero", "non-zero", integer),
    Column("density", "density", share, "%"),
    Column("sparsity", "sparsity", share, "%"),
    Column("coded_bits", "coded size", integer, "bit"),
    Column("ratio", "ratio", _TENTHS),
)
OPERATION_COLUMNS = (
    _NAME,
    _ACTIVE,
    Column("multiplications", "multiplications, formula", integer),
    Column("exact_multiplications", "exact", integer),
    Column("additions", "additions, formula", integer),
    Column("exact_additions", "exact", integer),
)
#: Columns whose sum over the layers means something.
_STORAGE = ("weights", "coefficients", "nonzero", "coded_bits")
_OPERATIONS = tuple(column.field for column in OPERATION_COLUMNS[2:])
_CONSOLE_LAYERS = (
    _NAME,
    Column("rows", "M", integer),
    Column("coefficients", "coefficients", integer),
    Column("nonzero", "non-zero", integer),
    Column("density", "density", share, "%"),
    Column("coded_bits", "coded size", integer, "bit"),
    Column("ratio", "ratio", _TENTHS),
    _ACTIVE,
    Column("exact_multiplications", "multiplications", integer),
    Column("exact_additions", "additions", integer),
)
BASIS_COLUMNS = (
    _NAME,
    Column("rows", "rows M", integer),
    Column("error", "error", share, "%"),
    Column("sparsity_before", "sparsity before", share, "%"),
    Column("sparsity_after", "after", share, "%"),
    Column("balance_before", "fullest row / mean, before", fixed(2)),
    Column("balance_after", "after", fixed(2)),
    Column("l1_before", "mean |coefficient|, before", _SCORE),
    Column("l1_after", "after", _SCORE),
)
#: Every field of a layer.
LAYER_FIELDS = (*STORAGE_COLUMNS, *OPERATION_COLUMNS[1:])

TextTable = tuple[list[str], list[list[str]]]


@dataclass(frozen=True)
class PageTable:
    """A table of a page: its columns, and its rows as text."""

    name: str
    columns: tuple[Column, ...]
    rows: list[list[str]]
    total: list[str]


def step_table(report: Report) -> TextTable:
    """Headings and rows, as text: the network after each step."""
    return _text_table(STEP_COLUMNS, view_of_report(report).steps)


def result_table(report: Report) -> TextTable:
    """Headings and rows, as text: each result's score after each step, where there are several results."""
    return _text_table(SCORE_COLUMNS, view_of_report(report).scores)


def layer_table(report: Report) -> TextTable:
    """Headings and rows, as text: each layer after the last step, operations counted on real images."""
    return _text_table(_CONSOLE_LAYERS, view_of_report(report).layers)


def write_pages(folder: Path, report: Report, view: View | None = None) -> Path:
    """Write a run's page, with its CSV files and report.json; returns the page.

    Args:
        view: of the report with newer measurements than its own.
    """
    return write_view(folder, view or view_of_report(report), {"report.json": json_text(report.as_fields())})


def write_view(folder: Path, view: View, others: Mapping[str, bytes] | None = None) -> Path:
    """Write a network's page and CSV files, in place of what is in ``folder``; returns the page.

    Args:
        others: files by name that the page links, beside its own.
    """
    files = {
        "steps.csv": csv_text(STEP_COLUMNS, view.steps),
        "layers.csv": csv_text(LAYER_FIELDS, view.layers),
        **({"scores.csv": csv_text(SCORE_COLUMNS, view.scores)} if view.scores else {}),
        **(others or {}),
    }
    page = render(
        "network.html.j2",
        view=view,
        summary=_summary(view),
        steps=_page_table("steps", STEP_COLUMNS, view.steps),
        scores=_page_table("scores", SCORE_COLUMNS, view.scores) if view.scores else None,
        storage=_page_table(
            "storage", STORAGE_COLUMNS, view.layers, "weights", "coefficients", "nonzero", "coded_bits"
        ),
        operations=_page_table("operations", OPERATION_COLUMNS, view.layers, *_OPERATIONS),
        bases=_page_table("bases", BASIS_COLUMNS, view.bases),
        plots={plot.name: plot for plot in plots(view)},
        files=tuple(files),
    )
    with replaced(folder) as place:
        for name, data in {**files, PAGE: page.encode()}.items():
            (place / name).write_bytes(data)
    return folder / PAGE


def render(template: str, **values: Any) -> str:
    """A page of templates/."""
    return render_page(_TEMPLATES, template, **values)


def _text_table(columns: tuple[Column, ...], rows: Any) -> TextTable:
    return [column.title for column in columns], text_rows(columns, rows)


def _page_table(name: str, columns: tuple[Column, ...], rows: Any, *summed: str) -> PageTable:
    total = []
    if summed:
        for place, column in enumerate(columns):
            value = _sum(rows, column.field) if column.field in summed else None
            total.append("all layers" if place == 0 else "" if value is None else column.form(value))
    return PageTable(name, columns, text_rows(columns, rows), total)


def _sum(rows: Any, field: str) -> float | None:
    values = [getattr(row, field) for row in rows if getattr(row, field) is not None]
    return sum(values) if values else None


@dataclass(frozen=True)
class Figure:
    """A line of the summary: what, before and after compression."""

    label: str
    before: str
    after: str


def _summary(view: View) -> list[Figure]:
    first, last = view.steps[0], view.steps[-1]

    def text(value: float | None, form: Any, unit: str = "") -> str:
        return ABSENT if value is None else form(value) + unit

    convolution_bits = None if view.convolution_weights is None else 32 * view.convolution_weights
    return [
        Figure(f"{view.measure}, on held-out images", text(view.float_score, _SCORE), text(view.score, _SCORE)),
        *(
            Figure(f"{row.measure} of '{row.layer}'", text(row.float_score, _SCORE), text(row.score, _SCORE))
            for row in view.results[1:]
        ),
        Figure("coefficients that are zero", "", text(view.coefficient_sparsity, share, " %")),
        Figure("parameters", text(first.parameters, integer), text(last.parameters, integer)),
        Figure("operations by PENNI's formula", text(first.operations, integer), text(last.operations, integer)),
        Figure(
            "convolutions' weights: 32-bit floating point, coded",
            text(convolution_bits, integer, " bit"),
            text(view.convolution_bits, integer, " bit"),
        ),
        Figure("ratio of the two", "", text(view.ratio, _TENTHS)),
        Figure("exact multiplications, one image", "", text(view.total("exact_multiplications"), integer)),
        Figure("exact additions, one image (mean)", "", text(view.total("exact_additions"), integer)),
        Figure("time of the run", "", text(view.seconds, _TENTHS, " s")),
    ]
