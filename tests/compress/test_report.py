"""The pages and results of compression: numbers are the report's, exact operations are those of nested loops."""

import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import penni_escalate.compress.command as command
import penni_escalate.compress.summary as summary
from penni_escalate.common.errors import UserError, run_command
from penni_escalate.common.paths import ROOT
from penni_escalate.common.results import json_text, write_json
from penni_escalate.common.tables import print_table
from penni_escalate.compress.cost_model import Cost, ratio
from penni_escalate.compress.decompose import Decomposed
from penni_escalate.compress.graph import Role
from penni_escalate.compress.measure import Measured, count, measure_package
from penni_escalate.compress.pages import layer_table, step_table, write_pages
from penni_escalate.compress.report import Report, Step
from penni_escalate.compress.rotate import Rotation
from penni_escalate.compress.steps import STEPS
from penni_escalate.compress.view import read_report, view_of_package, view_of_report
from penni_escalate.golden.functional import layer_input, run_network, score
from penni_escalate.golden.kinds import Classifier, Convolution, Depthwise, Pointwise
from penni_escalate.golden.layers import Layer, LayerKind
from penni_escalate.golden.package import Package, read_package
from tests.golden.random_layers import random_layer_of, write_every_kind

SHIPPED = ROOT / "packages" / "digits"
SEED = 5


# ---- a page's content -----------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tables by id, as rows of text; links; every attribute that could load something."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.text = path.read_text()
        self._table: list[list[str]] | None = None
        self._cell = False
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if "id" in fields:
            self.ids.append(fields["id"])
        self.links += [fields["href"]] if tag == "a" else []
        self.loads += [fields[name] for name in ("src", "href", "xlink:href") if name in fields and tag != "a"]
        if tag == "table":
            self._table = self.tables.setdefault(fields["id"], [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
        elif tag in ("td", "th") and self._table is not None:
            self._table[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._cell and self._table is not None:
            self._table[-1][-1] += data


def number(text: str) -> float:
    return float(text.replace(",", ""))


# ---- a run that never was -------------------------------------------------------------------------------


def costs_of(measured: tuple[Measured, ...], grown: int) -> list[dict[str, Any]]:
    """Rows of a step: every figure differs from every other, so that none can stand in another's place."""
    rows = []
    for place, layer in enumerate(layer for layer in measured if layer.weights):
        ternary = layer.coefficients > 0
        cost = Cost(
            name=layer.name,
            role=Role(layer.role),
            rows=layer.rows,
            weights=layer.weights * grown,
            coefficients=layer.coefficients * grown,
            nonzero=layer.nonzero,
            parameters=10_001 * grown + place,
            operations=2_000_003 * grown + place,
            multiplications=3_000_005 * grown + place,
            additions=4_000_007 * grown + place,
            map_bits=5_000 * grown + place if ternary else 0,
            sign_bits=600 + place if ternary else 0,
            kernel_bits=7_000 + place,
            scale_bits=80 + place,
        )
        rows.append({**vars(cost), "role": cost.role.value, "coded_bits": cost.coded_bits})
    return rows


def report_of(package: Package, measured_score: float) -> Report:
    measured = measure_package(package)
    decomposed = [
        asdict(
            Decomposed(layer.name, layer.rows, (9.0, 4.0, 1.5), 0.125, Rotation((0.1, 0.2), (1.5, 1.25), (0.75, 0.5)))
        )
        for layer in measured
        if layer.role == "decomposed"
    ]
    steps = []
    for place, name in enumerate(("train", "decompose", "prune", "export")):
        rows = costs_of(measured, 4 - place)
        details: dict[str, Any] = {"decompose": decomposed, "export": [asdict(layer) for layer in measured]}
        totals = {
            field: sum(row[field] for row in rows)
            for field in ("parameters", "operations", "multiplications", "additions", "coded_bits")
        }
        steps.append(
            Step(
                name,
                0.5 + 0.0625 * place,
                0.25 * place,
                1.5 * place,
                layers=rows,
                details=details.get(name, []),
                **totals,
            )
        )
    return Report(
        network="every_kind", data="random", measure="accuracy", seed=SEED, steps=tuple(steps),
        integer_score=measured_score, coefficient_sparsity=0.75, convolution_weights=123_456, convolution_bits=65_432,
        seconds=9.0, tools={"numpy": "2"},
    )  # fmt: skip


def correct_score(folder: Path) -> float:
    """Make a random package claim the score that it has."""
    path = folder / "manifest.json"
    found = score(read_package(folder))
    document = json.loads(path.read_text())
    document["scores"]["integer"] = found
    write_json(path, document)
    return found


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One package with a report, one without, which has several results."""
    folder = tmp_path_factory.mktemp("packages")
    package = write_every_kind(folder / "every-kind", SEED, "accuracy", count=5)
    write_json(folder / "every-kind" / "report.json", report_of(package, correct_score(package.folder)).as_fields())
    write_every_kind(folder / "maps", SEED, "correlation", count=2, several=True)
    correct_score(folder / "maps")
    (folder / "interrupted").mkdir()
    return folder


@pytest.fixture
def own(packages: Path, tmp_path: Path) -> Path:
    """The packages, to be changed."""
    return Path(shutil.copytree(packages, tmp_path / "packages"))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(summary, "RESULTS", tmp_path / "results")
    yield tmp_path / "results"


@pytest.fixture(scope="module")
def report(packages: Path) -> Report:
    return read_report(packages / "every-kind" / "report.json")


@pytest.fixture(scope="module")
def written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report's page."""
    return write_pages(tmp_path_factory.mktemp("page"), report)


# ---- the network's page ---------------------------------------------------------------------------------


def test_steps_on_the_page_are_the_reports(report: Report, written: Path) -> None:
    rows = Page(written).tables["steps"][1:]
    assert [row[0] for row in rows] == [step.name for step in report.steps]
    for row, step in zip(rows, report.steps, strict=True):
        assert [number(text) for text in row[1:]] == [
            step.score, 100 * step.sparsity, step.parameters, step.operations, step.multiplications, step.additions,
            step.coded_bits, step.seconds,
        ]  # fmt: skip


def test_layers_on_the_page_are_the_reports(report: Report, written: Path) -> None:
    page = Page(written)
    before, last = report.steps[0].layers, report.steps[-1].layers
    measured = {layer["name"]: layer for layer in report.steps[-1].details}
    storage, operations = page.tables["storage"][1:], page.tables["operations"][1:]
    assert len(storage) == len(operations) == len(last) + 1
    for found, done, first, cost in zip(storage, operations, before, last, strict=False):
        shapes = measured[cost["name"]]
        assert found[:2] == [cost["name"], cost["role"]]
        for text, field in zip(found[2:5], ("in_shape", "out_shape", "kernel"), strict=True):
            assert [int(part) for part in text.split("\N{MULTIPLICATION SIGN}")] == list(shapes[field])
        assert number(found[5]) == cost["rows"]
        assert number(found[6]) == first["weights"]
        assert number(found[8]) == cost["nonzero"]
        if cost["coefficients"]:
            assert number(found[7]) == cost["coefficients"]
            assert number(found[9]) == pytest.approx(100 * cost["nonzero"] / cost["coefficients"], abs=0.05)
            assert number(found[10]) == pytest.approx(100 - 100 * cost["nonzero"] / first["coefficients"], abs=0.05)
        else:
            assert [found[7], found[9], found[10]] == ["-"] * 3
        assert number(found[11]) == cost["coded_bits"]
        assert number(found[12]) == pytest.approx(32 * first["weights"] / cost["coded_bits"], abs=0.05)
        assert number(done[1]) == pytest.approx(100 * shapes["activation_density"], abs=0.05)
        assert [number(text) for text in done[2:]] == [
            cost["multiplications"], shapes["multiplications"], cost["additions"], round(shapes["additions"]),
        ]  # fmt: skip
    assert number(storage[-1][11]) == report.steps[-1].coded_bits
    assert number(operations[-1][2]) == report.steps[-1].multiplications


def test_summary_on_the_page_is_the_reports(report: Report, written: Path) -> None:
    lines = {row[0]: row[1:] for row in Page(written).tables["summary"][1:]}
    assert lines["accuracy, on held-out images"] == ["0.5000", f"{report.integer_score:.4f}"]
    assert lines["coefficients that are zero"] == ["", "75.0 %"]
    assert [number(text) for text in lines["parameters"]] == [report.steps[0].parameters, report.steps[-1].parameters]
    assert lines["ratio of the two"] == ["", f"{ratio(123_456, 65_432):.1f}"]
    assert lines["convolutions' weights: 32-bit floating point, coded"] == [f"{32 * 123_456:,} bit", "65,432 bit"]


def test_rotation_on_the_page_is_the_reports(report: Report, written: Path) -> None:
    rows = Page(written).tables["bases"][1:]
    decomposed = report.steps[1].details
    assert [row[0] for row in rows] == [layer["name"] for layer in decomposed]
    for row in rows:
        assert row[1:] == ["2", "12.5", "10.0", "20.0", "1.50", "1.25", "0.7500", "0.5000"]


def test_page_needs_no_other_file(written: Path) -> None:
    page = Page(written)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert "@import" not in page.text and "url(http" not in page.text
    # What is drawn twice is named within the page.
    assert all(target.startswith("#") and target[1:] in page.ids for target in page.loads)
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("svg") == 4
    for link in page.links:
        assert (written.parent / link).is_file()
    for label in ("coded size of all weights [kbit]", "input codes that are not zero [%]", "accuracy [0..1]"):
        assert f">{label}</text>" in page.text
    assert "#010203" not in page.text


def test_page_is_the_same_again(report: Report, written: Path, tmp_path: Path) -> None:
    again = write_pages(tmp_path, report)
    for path in written.parent.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    assert again.name == written.name


def test_csv_is_the_json(report: Report, written: Path) -> None:
    folder = written.parent
    document = json.loads((folder / "report.json").read_text())
    assert read_report(folder / "report.json") == report
    with (folder / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, step in zip(rows, document["steps"], strict=True):
        assert row == {field: str(step[field]) for field in row}
    last = document["steps"][-1]
    measured = {layer["name"]: layer for layer in last["details"]}
    with (folder / "layers.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, cost in zip(rows, last["layers"], strict=True):
        for field in ("name", "role", "rows", "nonzero", "coded_bits", "multiplications", "additions"):
            assert row[field] == str(cost[field])
        assert row["coefficients"] == (str(cost["coefficients"]) if cost["coefficients"] else "")
        for field, other in (("exact_multiplications", "multiplications"), ("exact_additions", "additions")):
            assert row[field] == str(measured[cost["name"]][other])
        assert row["activation_density"] == str(measured[cost["name"]]["activation_density"])
        assert row["in_shape"] == "x".join(map(str, measured[cost["name"]]["in_shape"]))


def test_console_tables(report: Report, tmp_path: Path) -> None:
    """A file gets every number whole, however wide the table is."""
    with (tmp_path / "out").open("w") as file:
        for table in (step_table(report), layer_table(report)):
            assert all(len(row) == len(table[0]) for row in table[1])
            print_table(Console(file=file, width=40), "title", *table)
    text = (tmp_path / "out").read_text()
    for step in report.steps:
        assert f"{step.multiplications:,}" in text
    assert "\N{HORIZONTAL ELLIPSIS}" not in text


def test_names_are_escaped(report: Report, tmp_path: Path) -> None:
    text = write_pages(tmp_path, replace(report, data="<b>&")).read_text()
    assert "&lt;b&gt;&amp;" in text and "<b>" not in text


# ---- exact operations -----------------------------------------------------------------------------------


def naive_counts(layer: Layer, image: np.ndarray) -> tuple[int, int]:
    """Multiplications and additions for one image (H, W, C), by nested loops over outputs, places and channels."""
    g = layer.geometry
    if isinstance(layer, Classifier):
        ternary = set(np.unique(layer.weight)) <= {-1, 0, 1}
        used = [(k, c) for k in range(g.kernels) for c in range(g.channels) if layer.weight[k, c]]
        additions = sum(int(image[..., c].astype(int).sum()) != 0 for _, c in used)
        return g.kernels if ternary else len(used), additions
    multiplications = additions = 0
    for k, y, x in product(range(g.kernels), range(g.out_height), range(g.out_width)):
        for r, s in product(range(g.kernel_height), range(g.kernel_width)):
            i, j = y * g.stride + r - g.sides.top, x * g.stride + s - g.sides.left
            if not (0 <= i < g.height and 0 <= j < g.width):
                continue
            if isinstance(layer, Pointwise):
                multiplications += 1
                additions += sum(bool(layer.coefficients[k, c] and image[i, j, c]) for c in range(g.channels))
            elif isinstance(layer, Depthwise):
                multiplications += bool(layer.basis[k, r, s])
                additions += bool(layer.basis[k, r, s] and image[i, j, k])
            elif isinstance(layer, Convolution) and layer.kind is LayerKind.DENSE:
                multiplications += sum(bool(layer.basis[k, c, r, s]) for c in range(g.channels))
                additions += sum(bool(layer.basis[k, c, r, s] and image[i, j, c]) for c in range(g.channels))
            elif isinstance(layer, Convolution):
                multiplications += layer.rows_used
    if isinstance(layer, Convolution) and layer.kind is LayerKind.DECOMPOSED:
        for i, j, c in product(range(g.height), range(g.width), range(g.channels)):
            for k, m in product(range(g.kernels), range(layer.rows_used)):
                additions += bool(image[i, j, c] and layer.coefficients[k, c, m])
    return multiplications, additions


@pytest.mark.parametrize("kind", list(LayerKind))
def test_exact_operations_are_those_of_nested_loops(kind: LayerKind) -> None:
    rng = np.random.default_rng(list(LayerKind).index(kind))
    for _ in range(12):
        layer, tensors = random_layer_of(rng, kind)
        activations = layer_input(layer, tensors)
        naive = [naive_counts(layer, image) for image in activations]
        counts = count(layer, activations)
        assert counts.additions == sum(additions for _, additions in naive)
        assert {counts.multiplications} == {multiplications for multiplications, _ in naive}
        assert counts.nonzero == sum(int(code != 0) for code in activations.flat)
        assert counts.codes == activations.size


def test_measured_over_images(packages: Path) -> None:
    """The mean over images chosen evenly, whatever the batches."""
    package = read_package(packages / "every-kind")
    for images, chosen in ((16, [0, 1, 2, 3, 4]), (3, [0, 2, 4]), (1, [0])):
        tensors = run_network(package, package.images[chosen])
        for layer, measured in zip(package.layers, measure_package(package, images), strict=True):
            counts = count(layer, layer_input(layer, tensors))
            assert measured.images == len(chosen)
            assert measured.additions == counts.additions / len(chosen)
            assert measured.activation_density == counts.nonzero / counts.codes


def test_package_alone_costs_what_its_run_said() -> None:
    """The shipped package, without its run: sums of the formulas, from the arrays."""
    package = read_package(SHIPPED)
    view = view_of_package(package, measure_package(package, 2), {package.result.layer: 0.0})
    assert view.float_score == package.manifest.scores["train"]
    for row, layer in zip(view.layers, package.layers, strict=True):
        g = layer.geometry
        assert row.name == layer.name
        assert row.exact_multiplications is not None and row.exact_multiplications <= row.multiplications
        assert row.exact_additions is not None and row.exact_additions <= row.additions
        if isinstance(layer, Convolution) and layer.kind is LayerKind.DECOMPOSED:
            nonzero = int(np.count_nonzero(layer.coefficients))
            k, c, m = layer.coefficients.shape
            assert row.coded_bits == k * c * m + nonzero + (8 * 9 + 3) * m + 22 * k
            assert row.multiplications == g.out_height * g.out_width * k * m * 9
            assert row.additions == nonzero * g.height * g.width


# ---- all packages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", sorted((ROOT / "packages").iterdir()), ids=lambda folder: folder.name)
def test_reports_that_ship_are_read(folder: Path) -> None:
    """Every one: a changed name in a report's types must not make them unreadable."""
    report = read_report(folder / "report.json")
    assert json.loads(json_text(report.as_fields())) == json.loads((folder / "report.json").read_text())
    view = view_of_report(report)
    manifest = read_package(folder).manifest
    assert (view.network, view.seed, view.score) == (manifest.network, manifest.seed, manifest.scores["integer"])
    assert [step.name for step in view.steps] == list(STEPS) and view.bases
    assert None not in [layer.ratio for layer in view.layers] and view.total("exact_additions")


def test_results_of_all_packages(packages: Path, results: Path, report: Report) -> None:
    page, ok = summary.write_summary(Console(quiet=True), packages)
    assert ok
    document = json.loads((results / "compress.json").read_text())
    assert set(document) == {"networks", "tools"}
    first, second = document["networks"]
    assert (first["name"], second["name"]) == ("every-kind", "maps")
    last = report.steps[-1]
    assert first["float_accuracy"] == 0.5 and first["integer_accuracy"] == report.integer_score
    assert first["parameters_before"] == report.steps[0].parameters and first["parameters_after"] == last.parameters
    assert first["operations_before"] == report.steps[0].operations and first["operations_after"] == last.operations
    assert first["coded_bits"] == last.coded_bits and first["ratio"] == ratio(123_456, 65_432)
    assert first["exact_operations"]["images"] == 5
    measured = {layer["name"]: layer for layer in last.details if layer["weights"]}
    assert first["exact_operations"]["additions"] == sum(layer["additions"] for layer in measured.values())
    assert [step["name"] for step in first["steps"]] == ["train", "decompose", "prune", "export"]
    assert [layer["name"] for layer in first["layers"]] == list(measured)
    # Without a report: what only the run knew is null, not a guess.
    assert "integer_correlation" in second and "integer_accuracy" not in second
    for field in (
        "float_correlation",
        "parameters_before",
        "parameters_after",
        "operations_before",
        "ratio",
        "seconds",
    ):
        assert second[field] is None
    assert second["coded_bits"] > 0 and second["exact_operations"]["multiplications"] > 0
    found = Page(page)
    assert not found.loads and "script" not in found.tags
    # A result behind the main one has a row for its scores alone.
    assert [row[0] for row in found.tables["networks"][1:]] == ["every-kind", "maps", "maps: decomposed6"]
    assert first["results"] == [] and [one["layer"] for one in second["results"]] == ["last", "decomposed6"]
    for link in found.links:
        assert (page.parent / link).is_file()
    for folder in ("every-kind", "maps"):
        for link in Page(page.parent / folder / "index.html").links:
            assert (page.parent / folder / link).is_file()
    with (page.parent / "networks.csv").open() as file:
        *rows, further = csv.DictReader(file)
    assert float(further["integer_score"]) == second["results"][1]["score"] != second["integer_correlation"]
    assert further["measure"] == "correlation" and further["coded_bits"] == ""
    for row, network in zip(rows, document["networks"], strict=True):
        for field in (
            "coefficient_sparsity",
            "parameters_before",
            "operations_after",
            "coded_bits",
            "ratio",
            "seconds",
        ):
            assert row[field] == ("" if network[field] is None else str(network[field]))


def test_wrong_score_of_a_further_result_is_detected(own: Path) -> None:
    path = own / "maps" / "manifest.json"
    document = json.loads(path.read_text())
    document["further_results"][0]["scores"]["integer"] = 0.123
    write_json(path, document)
    (wrong,) = summary.read_entry(own / "maps").wrong
    assert "says 0.123000, but the network's integer score of layer 'decomposed6' is" in wrong


def test_a_report_of_other_results_is_refused(own: Path) -> None:
    path = own / "every-kind" / "report.json"
    document = json.loads(path.read_text())
    document["steps"][1]["further_scores"] = {"conv": 0.5}
    write_json(path, document)
    with pytest.raises(
        UserError, match=r"field 'further_scores' of step '\w+' must have the results behind the first, none"
    ):
        read_report(path)


@pytest.mark.parametrize("where", ["manifest.json", "report.json"])
def test_wrong_score_is_detected(own: Path, results: Path, capsys: pytest.CaptureFixture[str], where: str) -> None:
    path = own / "every-kind" / where
    document = json.loads(path.read_text())
    if where == "manifest.json":
        document["scores"]["integer"] = 0.123
    else:
        document["integer_score"] = 0.123
    write_json(path, document)
    page, ok = summary.write_summary(Console(width=200), own)
    assert not ok
    assert f"{where} says 0.123000, but the network's integer score is" in capsys.readouterr().out
    assert "says 0.123000" in page.read_text()
    [network, _] = json.loads((results / "compress.json").read_text())["networks"]
    assert network["integer_accuracy"] != 0.123 and len(network["wrong"]) == 1


def run_report(packages: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit status of ``penni-escalate compress report``."""
    monkeypatch.setattr(command, "BASE", packages.parent)
    monkeypatch.setattr("sys.argv", ["compress", "report"])
    try:
        run_command(command.compress)
    except SystemExit as leave:
        assert isinstance(leave.code, int)
        return leave.code
    return 0


def test_exit_status(own: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_report(own, monkeypatch) == 0
    path = own / "maps" / "manifest.json"
    document = json.loads(path.read_text())
    document["scores"]["integer"] += 0.001
    write_json(path, document)
    assert run_report(own, monkeypatch) == 1


def without(document: dict[str, Any], *path: str | int) -> dict[str, Any]:
    place: Any = document
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return document


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "\x00\xff",
        lambda text: json.dumps(without(json.loads(text), "steps")),
        lambda text: json.dumps({**json.loads(text), "steps": []}),
        lambda text: json.dumps({**json.loads(text), "integer_score": "high"}),
        lambda text: json.dumps(without(json.loads(text), "steps", 2, "layers", 0, "coefficients")),
        lambda text: json.dumps(without(json.loads(text), "steps", 1, "details", 0, "singular")),
        lambda text: json.dumps({**json.loads(text), "seed": SEED + 1}),
    ],
    ids=["cut", "list", "binary", "no steps", "empty steps", "type", "layer", "singular", "other run"],
)
def test_damaged_report(
    own: Path, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: Any
) -> None:
    path = own / "every-kind" / "report.json"
    path.write_text(damage(path.read_text()))
    assert run_report(own, monkeypatch) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and "report.json" in said
    assert not (results / "compress.json").exists()


def test_damaged_package(own: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own / "maps" / "images.npz"
    path.write_bytes(path.read_bytes()[:-1])
    assert run_report(own, monkeypatch) == 2


def test_no_package(tmp_path: Path, results: Path) -> None:
    with pytest.raises(UserError, match="contains no package"):
        summary.write_summary(Console(quiet=True), tmp_path)


def test_report_without_measurements(report: Report, tmp_path: Path) -> None:
    """Counts on images may be missing: of a run that made none."""
    steps = (*report.steps[:-1], replace(report.steps[-1], details=[]))
    view = view_of_report(replace(report, steps=steps))
    assert {layer.exact_additions for layer in view.layers} == {None}
    page = Page(write_pages(tmp_path, replace(report, steps=steps)))
    assert "plot-sparsity" in page.ids and "plot-activations" not in page.ids
    assert {row[5] for row in page.tables["operations"][1:-1]} == {"-"}


def test_make_targets() -> None:
    """The targets run what they say."""
    for target, expected in (
        ("compress", "penni_escalate compress run --net"),
        ("compress-report", "penni_escalate compress report"),
    ):
        found = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
        assert expected in found.stdout
    found = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "compress-report" in found.stdout
