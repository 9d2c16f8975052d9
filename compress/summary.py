"""All packages: each measured again, with the report of its run where there is one; results and a page of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import isclose
from pathlib import Path
from typing import Any

from rich.console import Console

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import RESULTS, relative
from penni_escalate.common.results import write_atomically, write_json
from penni_escalate.common.shared_folder import locked
from penni_escalate.common.tables import Column, csv_text, fixed, integer, print_table, share, text_rows
from penni_escalate.common.versions import tool_versions
from penni_escalate.compress.measure import Measured, measure_package
from penni_escalate.compress.pages import PAGE, render, write_pages, write_view
from penni_escalate.compress.report import Report
from penni_escalate.compress.view import View, read_report, view_of_package, view_of_report
from penni_escalate.golden.functional import scores
from penni_escalate.golden.package import MANIFEST, Package, read_package

#: Two measurements of the same network differ by rounding at most: of correlations, on another processor.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Entry:
    """A package: its folder's name, what is known of it, and where it contradicts itself.

    Attributes:
        report: of its run, None where it is not there.
        wrong: a sentence for each score that is not the measured one.
    """

    name: str
    view: View
    report: Report | None
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class NetworkRow:
    """A line of the table of all networks, or of a result behind the main one; fields as in the results."""

    name: str
    data: str
    measure: str
    float_score: float | None
    integer_score: float
    coefficient_sparsity: float | None = None
    parameters_before: int | None = None
    parameters_after: int | None = None
    operations_before: int | None = None
    operations_after: int | None = None
    exact_multiplications: float | None = None
    exact_additions: float | None = None
    coded_bits: int | None = None
    ratio: float | None = None
    seconds: float | None = None


COLUMNS = (
    Column("name", "network", str, left=True),
    Column("measure", "measure", str, left=True),
    Column("float_score", "float", fixed(4)),
    Column("integer_score", "integer", fixed(4)),
    Column("coefficient_sparsity", "sparsity", share, "%"),
    Column("parameters_before", "parameters before", integer),
    Column("parameters_after", "after", integer),
    Column("operations_before", "operations before", integer),
    Column("operations_after", "after", integer),
    Column("exact_multiplications", "mult., exact", integer),
    Column("exact_additions", "additions, exact", integer),
    Column("coded_bits", "coded size", integer, "bit"),
    Column("ratio", "ratio", fixed(1)),
    Column("seconds", "time", integer, "s"),
)
#: On the page, which is to be read without scrolling; each network's own has the rest.
_SHOWN = tuple(column for column in COLUMNS if column.field != "seconds")
_CONSOLE = tuple(
    column
    for column in COLUMNS
    if column.field not in ("measure", "operations_before", "operations_after", "seconds", "exact_multiplications")
)


def write_summary(console: Console, packages: Path) -> tuple[Path, bool]:
    """Measure every package of a folder; write compress.json, networks.csv and the pages to build/results/.

    Returns the page that links the others, and whether every score is the one that the package and its report claim.
    Raises UserError where there is no package, or one of them or its report is damaged.
    """
    folders = sorted(path.parent for path in packages.glob(f"*/{MANIFEST}"))
    if not folders:
        raise UserError(f"{relative(packages)} contains no package: compress a network first.")
    entries = [read_entry(folder) for folder in folders]
    pages = RESULTS / "compress"
    for entry in entries:
        if entry.report is None:
            write_view(pages / entry.name, entry.view)
        else:
            write_pages(pages / entry.name, entry.report, entry.view)
    rows = [row for entry in entries for row in (_row(entry), *_result_rows(entry))]
    document = {
        "networks": [as_fields(entry) for entry in entries],
        "tools": tool_versions("numpy", "matplotlib"),
    }
    page = pages / PAGE
    text = render("networks.html.j2", columns=_SHOWN, rows=text_rows(_SHOWN, rows), entries=entries)
    with locked(page):
        write_json(RESULTS / "compress.json", document)
        write_atomically(pages / "networks.csv", csv_text(COLUMNS, rows))
        write_atomically(page, text.encode())
    headings = [column.title for column in _CONSOLE]
    print_table(console, "networks, integer score measured again", headings, text_rows(_CONSOLE, rows))
    for sentence in (sentence for entry in entries for sentence in entry.wrong):
        console.print(sentence, style="red", soft_wrap=True, markup=False)
    return page, not any(entry.wrong for entry in entries)


def read_entry(folder: Path) -> Entry:
    """Read and measure a package.

    Raises UserError where it, or the report beside it, is damaged or of another run.
    """

    def of(layer: str) -> str:
        return f" of layer '{layer}'" if len(package.results) > 1 else ""

    package = read_package(folder)
    measured = scores(package)
    layers = measure_package(package)
    path = folder / "report.json"
    report = read_report(path) if path.exists() else None
    main = package.result.layer
    claims = [(relative(folder / MANIFEST), one.layer, one.scores["integer"]) for one in package.results]
    if report is None:
        view = view_of_package(package, layers, measured)
    else:
        view = view_of_report(report, layers)
        _check_same_run(path, view, package, layers)
        rows = tuple(replace(row, score=measured[row.layer]) for row in view.results)
        view = replace(view, score=measured[main], results=rows)
        claims += [(relative(path), main, report.integer_score)]
        claims += [(relative(path), one.layer, one.integer_score) for one in report.results if one.layer != main]
    wrong = tuple(
        f"{where} says {claimed:.6f}, but the network's integer score{of(layer)} is {measured[layer]:.6f}."
        for where, layer, claimed in claims
        if not isclose(claimed, measured[layer], rel_tol=0, abs_tol=_ROUNDING)
    )
    return Entry(folder.name, view, report, wrong)


def _check_same_run(path: Path, view: View, package: Package, layers: Sequence[Measured]) -> None:
    """The report must be that of the package's run: same measures, seed, and ternary layers with as many non-zeros."""
    manifest = package.manifest
    reported = {layer.name: layer.nonzero for layer in view.layers if layer.coefficients}
    held = {layer.name: layer.nonzero for layer in layers if layer.coefficients and layer.role != "select"}
    given = [(one.layer, one.measure.value) for one in package.results if len(package.results) > 1]
    told = [(row.layer, row.measure) for row in view.results]
    if (view.measure, view.seed, reported, told) != (manifest.measure.value, manifest.seed, held, given):
        raise UserError(
            f"{relative(path)} is of another run than the package beside it: compress the network again, or remove "
            "the file."
        )


def as_fields(entry: Entry) -> dict[str, Any]:
    """A network of compress.json: plain values, null where not known; operations are for one image."""
    row, view = _row(entry), entry.view
    return {
        "name": row.name,
        "network": view.network,
        "data": view.data,
        "seed": view.seed,
        "measure": view.measure,
        f"float_{view.measure}": row.float_score,
        f"integer_{view.measure}": row.integer_score,
        "coefficient_sparsity": row.coefficient_sparsity,
        "parameters_before": row.parameters_before,
        "parameters_after": row.parameters_after,
        "operations_before": row.operations_before,
        "operations_after": row.operations_after,
        "exact_operations": {
            "images": view.images,
            "multiplications": row.exact_multiplications,
            "additions": row.exact_additions,
        },
        "coded_bits": row.coded_bits,
        "ratio": row.ratio,
        "seconds": row.seconds,
        "results": [asdict(row) for row in view.results],
        "steps": [asdict(step) for step in view.steps],
        "layers": [asdict(layer) for layer in view.layers],
        "wrong": list(entry.wrong),
        "tools": view.tools,
    }


def _result_rows(entry: Entry) -> list[NetworkRow]:
    """Lines of the results behind the main one: of the network itself the main one's has the figures."""
    return [
        NetworkRow(f"{entry.name}: {row.layer}", entry.view.data, row.measure, row.float_score, row.score)
        for row in entry.view.results[1:]
    ]


def _row(entry: Entry) -> NetworkRow:
    view = entry.view
    first, last = view.steps[0], view.steps[-1]
    return NetworkRow(
        name=entry.name,
        data=view.data,
        measure=view.measure,
        float_score=view.float_score,
        integer_score=view.score,
        coefficient_sparsity=view.coefficient_sparsity,
        parameters_before=first.parameters,
        parameters_after=last.parameters,
        operations_before=first.operations,
        operations_after=last.operations,
        exact_multiplications=view.total("exact_multiplications"),
        exact_additions=view.total("exact_additions"),
        coded_bits=view.coded_bits,
        ratio=view.ratio,
        seconds=view.seconds,
    )
