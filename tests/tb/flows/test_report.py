"""The verification report: what it shows is what the result files hold, and every link leads somewhere."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from penni_escalate.common.errors import UserError, run_command
from penni_escalate.common.paths import ROOT
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.units import UNITS
from penni_escalate.tb.base.coverage import load_model
from penni_escalate.tb.flows.catalog import catalog
from penni_escalate.tb.flows.report import evidence
from penni_escalate.tb.flows.report.command import main
from penni_escalate.tb.flows.report.documents import SOURCES, read_history, read_results
from penni_escalate.tb.flows.report.evidence import Share, campaign_statuses, outdated, suites_of, units_of
from penni_escalate.tb.flows.report.site import write_site
from penni_escalate.tb.flows.report.waves import wave_picture
from penni_escalate.tb.flows.testplan import Campaign, Status

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

VCD = """$timescale 1ps $end
$scope module unit_bench $end
$var wire 1 ! fifo_valid_i $end
$var wire 16 # fifo_data_i [15:0] $end
$var wire 1 $ fifo_ready_o $end
$var wire 1 % row_ready_o $end
$upscope $end
$enddefinitions $end
#0
0!
b0 #
x$
0%
#10000
1!
b1010 #
1$
#50000
0!
#60000
"""


def job(test: str, status: str, seed: int) -> dict[str, Any]:
    return {
        "name": f"{test}:tiny:icarus:plain:{seed}:20",
        "job": {
            "test": test,
            "configuration": "tiny",
            "simulator": "icarus",
            "variant": "plain",
            "seed": seed,
            "size": 20,
        },
        "result": {
            "unit": test.partition(".")[0],
            "test": test.partition(".")[2],
            "config": "tiny",
            "tool": "icarus",
            "verdict": status,
            "compared": 100,
        },
        "seconds": 1.5,
        "folder": "build/regress/smoke/run",
    }


def proof(name: str, **fields: Any) -> dict[str, Any]:
    """The result of a proof of the FIFO."""
    return {
        "unit": "fifo",
        "test": name,
        "config": "shrunk",
        "tool": "abc pdr",
        "verdict": "passed",
        "states": "Entries leave in order.",
        "method": "pdr",
        "depth": 1,
        "outcome": "proved",
        "covers": ["full", "marked_leaves", "both_at_once", "held"],
        "seeded_bug": "caught",
        "seconds": 1.0,
        "problem": "",
        "trace": "",
        **fields,
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of a regression in which a run of the FIFO failed; no mutants, no gates."""
    folder = tmp_path / "results"
    folder.mkdir()
    waves = tmp_path / "dump.vcd"
    waves.write_text(VCD)
    runs = [job(test, "passed", 1) for test in catalog()] + [job("fifo.lockstep", "failed", 2)]
    bucket = {
        "signature": "fifo.lockstep, data_o",
        "runs": [runs[-1]["name"]],
        "example": runs[-1]["name"],
        "problem": "data_o: expected <0x1>, got 0x2",
        "waves": str(waves),
        "command": f"make rerun JOB={runs[-1]['name']} WAVES=1",
    }
    regress = {
        "suite": "smoke",
        "sources": "of before",
        "tools": {"python": "3.11"},
        "seconds": 12.0,
        "runs": len(runs),
        "passed": len(runs) - 1,
        "failed": 1,
        "resumed": 0,
        "layers": 40,
        "compared": 100 * len(runs),
        "buckets": [bucket],
        "jobs": runs,
        "functional": [{"unit": unit, "counts": dict.fromkeys(load_model(unit).all_bins(), 3)} for unit in UNITS],
    }
    figure = {"covered": 99, "total": 101, "waived": 1, "percent": 99.0}
    missed = {"number": 1, "text": "if (a < b)", "count": 0, "missed": ["", "else"], "waived": []}
    coverage = {
        "tools": {},
        "units": {unit: dict.fromkeys(("line", "branch", "toggle", "expression"), figure) for unit in UNITS},
        "waivers": [],
    }
    proofs = [proof("order_2", outcome="vacuous", verdict="failed", covers=[], seeded_bug="missed")]
    documents = {
        "regress": regress,
        "coverage": coverage,
        "code_coverage_lines": {
            "sources": [sources_digest(Flow.REGRESS)],
            "configurations": {"tiny": {"fifo": [missed]}},
        },
        "formal": {"tools": {}, "made_from": "before", "proofs": proofs},
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    line = {"whole": True, "sources": "of before", "seconds": 9.0, "runs": 4, "layers": 40, "compared": 400}
    lines = [
        line | {"time": f"2026-01-0{day}", "suite": suite, "passed": day, "functional": [3, 4]}
        for day, suite in ((1, "smoke"), (2, "smoke"), (3, "soak"))
    ]
    lines[2]["sources"] = sources_digest(Flow.REGRESS)
    lines.append(lines[1] | {"whole": False})
    (folder / "history.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"cut o')
    return folder


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.rows: dict[str, list[str]] = {}
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attributes if name in ("href", "src") and value and value[0] != "#"]

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(path: Path) -> _Links:
    parser = _Links()
    parser.feed(path.read_text())
    return parser


def test_every_link_leads_to_a_page_of_the_site(results: Path, tmp_path: Path) -> None:
    index = write_site(results, tmp_path / "site")
    pages = sorted(index.parent.rglob("*.html"))
    assert len(pages) == 2 + len(UNITS) + 1
    count = 0
    for page in pages:
        for link in parsed(page).links:
            assert not link.startswith(("http:", "https:", "//", "/")), f"{page.name} needs {link}"
            assert (page.parent / link).resolve() in pages, f"{page.name} links to {link}, which is not there"
            count += 1
    assert count > 3 * len(UNITS)


def test_the_index_says_what_failed_and_what_was_not_run(results: Path, tmp_path: Path) -> None:
    text = parsed(write_site(results, tmp_path / "site")).text
    assert "Not run: mutants (make mutants), gates (make gates)" in text
    assert "code coverage" not in text
    assert "1 bucket of failures" in text
    units = {row.unit: row for row in units_of(read_results(results))}
    assert units["fifo"].stage is None, "one of its runs failed"
    assert units["fifo"].killed is None
    assert units["fifo"].proved == Share(0, 3, ("2 not run",)), "a vacuous proof is none"
    assert (units["fifo"].passed, units["fifo"].runs) == (1, 2)
    assert all(row.bins is not None and row.bins.good == row.bins.all > 0 for row in units.values())


@pytest.mark.parametrize(
    ("fields", "word", "status"),
    [
        ({}, "proved", Status.PASSED),
        ({"outcome": "bounded"}, "bounded", Status.PASSED),
        ({"covers": [], "seeded_bug": "not run"}, "not guarded", Status.NOT_RUN),
        ({"seeded_bug": "not run"}, "not guarded", Status.NOT_RUN),
        ({"covers": ["full"]}, "not guarded", Status.NOT_RUN),
        ({"outcome": "failed", "verdict": "failed", "covers": [], "seeded_bug": "not run"}, "failed", Status.FAILED),
    ],
)
def test_a_proof_counts_with_its_guards(
    fields: dict[str, Any], word: str, status: Status, results: Path, tmp_path: Path
) -> None:
    proofs = [proof(f"order_{depth}", **fields) for depth in (2, 4)]
    (results / "formal.json").write_text(json.dumps({"tools": {}, "made_from": "before", "proofs": proofs}))
    row = next(row for row in units_of(read_results(results)) if row.unit == "fifo")
    assert [(entry.word, entry.status) for entry in row.proofs[:2]] == [(word, status)] * 2
    assert row.proofs[2].word == "not run"
    assert row.proved is not None
    assert (row.proved.good, row.proved.all) == (2 * (status is Status.PASSED), 3)
    lacking = {name for point in row.points for name in point.missing if name.startswith("fifo.order")}
    assert lacking == {f"fifo.order_{depth}" for depth in ((8,) if status is Status.PASSED else (2, 4, 8))}
    if status is not Status.FAILED:
        write_site(results, tmp_path / "site")
        assert f">{word}</span>" in (tmp_path / "site" / "fifo.html").read_text()
        assert "1 not run" in (tmp_path / "site" / "index.html").read_text()


def test_what_was_not_run_is_said_of_each_unit(results: Path, tmp_path: Path) -> None:
    """Of a regression of the FIFO alone, and its campaigns."""
    regress = json.loads((results / "regress.json").read_text())
    regress["jobs"] = [entry for entry in regress["jobs"] if entry["job"]["test"].startswith("fifo.")]
    regress["functional"] = [entry for entry in regress["functional"] if entry["unit"] == "fifo"]
    (results / "regress.json").write_text(json.dumps(regress))
    mutant = {"unit": "fifo", "name": "full", "generated": False, "kind": "overflow", "what": "Fills.",
              "status": "killed", "expected": [], "fired": [], "reason": ""}  # fmt: skip
    gate = {"unit": "fifo", "test": "all", "config": "tiny", "tool": "icarus", "verdict": "passed", "compared": 9,
            "cycles": 9, "gates": 9, "flip_flops": 9}  # fmt: skip
    (results / "mutants.json").write_text(json.dumps({"tools": {}, "made_from": "before", "mutants": [mutant]}))
    (results / "gates.json").write_text(json.dumps({"tools": {}, "made_from": "before", "results": [gate]}))
    units = {row.unit: row for row in units_of(read_results(results))}
    assert units["fifo"].killed == Share(1, 1, ("generated not run",))
    assert units["fifo"].netlists == Share(1, 1)
    assert units["fifo"].bins is not None
    for row in units.values():
        if row.unit != "fifo":
            assert (row.bins, row.killed, row.netlists) == (None, None, None)
            assert row.proved is None or not row.proofs
    assert units["requantize"].proved == Share(0, 0), "none are declared"
    index = write_site(results, tmp_path / "site")
    for page in ("row", "requantize"):
        text = parsed(index.parent / f"{page}.html").text
        assert text.count("Not run.") == 3
        assert " of 124" not in text and " of 107" not in text
        assert ("There are none" in text) is (page == "requantize")
    cells = index.read_text().partition('<a href="gather_control.html">')[2].partition("</tr>")[0]
    assert cells.count("not run") == 5, "runs, functional coverage, mutants, proofs, gate level"


def test_failed_runs_leave_the_coverage_open(results: Path) -> None:
    """They ran, so that nothing was hit is a fact."""
    regress = json.loads((results / "regress.json").read_text())
    regress["functional"] = []
    (results / "regress.json").write_text(json.dumps(regress))
    assert all(row.bins is not None and row.bins.good == 0 for row in units_of(read_results(results)))


def test_mutants_that_are_only_waived_are_called_so(results: Path, tmp_path: Path) -> None:
    text = " ".join(parsed(write_site(results, tmp_path / "site")).text.split())
    assert "killed by the detector that was expected, proved equivalent, or waived" in text


def test_campaigns_count_when_they_are_whole() -> None:
    curated, generated = {"generated": False, "status": "killed"}, {"generated": True, "status": "equivalent"}
    bench = {"verdict": "passed"}
    assert campaign_statuses((), ()) == {}
    assert campaign_statuses((curated,), ()) == {}, "the generated ones lack"
    assert campaign_statuses((curated, generated), (bench, bench)) == dict.fromkeys(Campaign, Status.PASSED)
    for wrong in ("survived", "wrong_detector"):
        assert campaign_statuses((curated, generated, generated | {"status": wrong}), ()) == {
            Campaign.MUTANTS: Status.FAILED
        }
    assert campaign_statuses((), (bench, {"verdict": "failed"})) == {Campaign.GATES: Status.FAILED}


def test_functional_coverage_is_no_code_coverage(results: Path, tmp_path: Path) -> None:
    (results / "code_coverage_lines.json").unlink()
    assert "code coverage (make coverage)" in parsed(write_site(results, tmp_path / "site")).text


def test_a_failure_has_its_command_and_its_waves(results: Path, tmp_path: Path) -> None:
    index = write_site(results, tmp_path / "site")
    text = (index.parent / "failures.html").read_text()
    assert "make rerun JOB=fifo.lockstep:tiny:icarus:plain:2:20 WAVES=1" in text
    assert "expected &lt;0x1&gt;" in text
    assert "<svg" in text
    assert "valid_i" in text
    assert "row_ready_o" not in text, "a signal of another unit"


def test_a_hole_in_the_coverage_is_shown(results: Path, tmp_path: Path) -> None:
    path = results / "regress.json"
    document = json.loads(path.read_text())
    counts = next(entry["counts"] for entry in document["functional"] if entry["unit"] == "row")
    hole = next(iter(counts))
    counts[hole] = 0
    path.write_text(json.dumps(document))
    row = next(row for row in units_of(read_results(results)) if row.unit == "row")
    assert row.bins is not None and row.bins.good == row.bins.all - 1
    item = hole.partition("/")[0]
    for point in row.points:
        assert (f"coverage {item}" in point.missing) == (item in point.point.coverage)
        if item in point.point.coverage:
            assert point.status is not Status.PASSED
    write_site(results, tmp_path / "site")
    assert 'class="hole"' in (tmp_path / "site" / "row.html").read_text()


def test_a_missed_line_is_marked(results: Path, tmp_path: Path) -> None:
    write_site(results, tmp_path / "site")
    text = (tmp_path / "site" / "source" / "tiny-fifo.html").read_text()
    assert '<tr id="l1" class="missed">' in text
    assert "if (a &lt; b)" in text
    assert "missed: else" in text


def test_a_folder_of_something_else_is_kept(results: Path, tmp_path: Path) -> None:
    """A report is replaced, and an empty folder filled."""
    (tmp_path / "empty").mkdir()
    write_site(results, tmp_path / "empty")
    write_site(results, tmp_path / "empty")
    mine = tmp_path / "mine" / "index.html"
    mine.parent.mkdir()
    mine.write_text("my page")
    with pytest.raises(UserError, match=r"^Folder .*mine holds something else than a report: name one that may be "):
        write_site(results, mine.parent)
    assert mine.read_text() == "my page"


def test_the_summary_says_what_the_site_shows(results: Path, tmp_path: Path) -> None:
    write_site(results, tmp_path / "site")
    summary = json.loads((results / "report.json").read_text())
    rows = {row.unit: row for row in units_of(read_results(results))}
    assert summary["units"].keys() == rows.keys()
    fifo = summary["units"]["fifo"]
    assert (fifo["runs"], fifo["passed"], fifo["stage"]) == (2, 1, rows["fifo"].stage)
    assert fifo["open"] == [row.point.name for row in rows["fifo"].points if row.status is not Status.PASSED] != []
    assert {"mutants", "gates"} <= set(summary["not_run"])
    assert summary["failures"] == 1


def test_without_results_there_is_no_site(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There are no results in .*: run 'make regress' first"):
        write_site(tmp_path, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_damaged_result_file(results: Path, tmp_path: Path) -> None:
    (results / "formal.json").write_text('{"proofs": [')
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "old.html").write_text("old")
    with pytest.raises(UserError, match=r"formal\.json is damaged: run 'make formal' again"):
        write_site(results, tmp_path / "site")
    assert (tmp_path / "site" / "old.html").is_file(), "the old site is lost"


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("text", ['{"a": 1}', "[]", '{"units": 3, "proofs": {}, "mutants": 1, "results": [{}]}'])
def test_a_foreign_result_file(name: str, text: str, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (results / f"{name}.json").write_text(text)
    with pytest.raises(SystemExit) as ended:
        run_command(lambda **options: main(["--results", str(results), "--out", str(results / "site")], **options))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert re.fullmatch(rf"error: Result file \S*/{name}\.json: .+: run '{SOURCES[name]}' again\.\n", said), said


def test_a_wrong_field_deep_in_a_result_file(results: Path) -> None:
    text = json.dumps(
        {"tools": {}, "made_from": "before", "proofs": [proof("order_2"), proof("order_4", outcome="fine")]}
    )
    (results / "formal.json").write_text(text)
    with pytest.raises(UserError, match=r"formal\.json: field 'proofs\.1\.outcome' is 'fine': .*'make formal'"):
        read_results(results)


def test_coverage_of_regressions_alone(results: Path, tmp_path: Path) -> None:
    """They write coverage.json too, and know neither waivers nor tools."""
    functional = {unit: {"functional": {"covered": 1, "total": 1, "holes": []}} for unit in UNITS}
    (results / "coverage.json").write_text(json.dumps({"units": functional}))
    (results / "code_coverage_lines.json").unlink()
    write_site(results, tmp_path / "site")
    assert all(set(row.code.values()) == {None} for row in units_of(read_results(results)))


def test_a_testplan_that_names_what_is_not_there(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evidence.read_testplan("fifo")
    for change in ({"tests": ("fifo.lockstop",)}, {"proofs": ("fifo.order",)}, {"coverage": ("fuller",)}):
        plan = replace(whole, testpoints=(replace(whole.testpoints[0], **change),))
        monkeypatch.setattr(evidence, "read_testplan", lambda _, plan=plan: plan)
        with pytest.raises(UserError, match=r"fifo/testplan\.yaml: .* names .*, which is not there: use one of "):
            units_of(read_results(results))


def test_suites_and_whether_the_sources_are_those_of_today(results: Path, tmp_path: Path) -> None:
    rows = suites_of(read_history(results))
    assert [(row.line["suite"], row.line["time"], row.current) for row in rows] == [
        ("soak", "2026-01-03", True),
        ("smoke", "2026-01-02", False),
    ], "the last of each suite that was whole"
    text = parsed(write_site(results, tmp_path / "site")).text
    assert "The 2 whole runs of suite smoke" in text
    assert "Of sources that have changed since: regress, formal." in text
    regress = json.loads((results / "regress.json").read_text())
    (results / "regress.json").write_text(json.dumps(regress | {"sources": sources_digest(Flow.REGRESS)}))
    assert outdated(read_results(results)) == ["formal"]
    lines = json.loads((results / "code_coverage_lines.json").read_text())
    (results / "code_coverage_lines.json").write_text(
        json.dumps(lines | {"sources": [sources_digest(Flow.REGRESS), "before"]})
    )
    assert outdated(read_results(results)) == ["formal", "code coverage"]


def test_a_goal_that_is_missed_is_shown(results: Path, tmp_path: Path) -> None:
    """On the first page, and on the unit's with the configuration that misses it."""
    path = results / "coverage.json"
    coverage = json.loads(path.read_text())
    sentence = "fifo, tiny: line 12.0 % of 50 points, goal 99 %"
    low = {"covered": 6, "total": 50, "waived": 0, "percent": 12.0}
    kinds = ("line", "branch", "toggle", "expression")
    coverage["units"]["fifo"]["configurations"] = {"tiny": dict.fromkeys(kinds, low)}
    path.write_text(json.dumps(coverage | {"shortfalls": [sentence]}))
    index = write_site(results, tmp_path / "site")
    assert f"Code coverage below a goal: {sentence}." in parsed(index).text
    page = (index.parent / "fifo.html").read_text()
    assert f"Below the goal: {sentence}." in page and "<td>12.0</td>" in page
    assert sentence not in (index.parent / "row.html").read_text()


def test_bins_of_no_configuration_are_named(results: Path, tmp_path: Path) -> None:
    path = results / "regress.json"
    document = json.loads(path.read_text())
    counts = next(entry["counts"] for entry in document["functional"] if entry["unit"] == "row")
    del counts["part/between"]
    path.write_text(json.dumps(document))
    index = write_site(results, tmp_path / "site")
    assert "1 of no configuration that was run" in parsed(index).text
    assert "Of no configuration that was run: between" in parsed(index.parent / "row.html").text


def test_a_history_line_that_is_none_is_passed_over(results: Path) -> None:
    path = results / "history.jsonl"
    path.write_text(f'{path.read_text()}\n3\n{{"a": 1}}\n')
    assert [line["passed"] for line in read_history(results)] == [1, 2, 3, 2]


def test_waves_without_signals_of_the_unit(tmp_path: Path) -> None:
    (tmp_path / "dump.vcd").write_text(VCD)
    assert wave_picture(tmp_path / "dump.vcd", "collector", "w", None) is None
    assert wave_picture(tmp_path / "dump.vcd", "fifo", "w", None) is not None


#: 100 cycles, in which data counts them.
COUNTED = VCD.partition("#0\n")[0] + "".join(f"#{10_000 * n}\nb{n:b} #\n" for n in range(101))


def drawn_at(svg: str) -> tuple[float | None, dict[str, float]]:
    """Where in a picture the line stands, None where there is none, and where the words below the axis do."""
    line = re.search(r'<path d="M ([\d.]+) [^"]*"[^>]*stroke: #8e44ad', svg)
    ticks = re.findall(r'<text [^>]*?x="([\d.]+)"[^>]*>(\w+)</text>', svg)
    # They come before the signals' values.
    return float(line[1]) if line else None, {word: float(x) for x, word in reversed(ticks)}


@pytest.mark.parametrize(
    ("detected", "first", "last"),
    [(54, 42, 58), (3, 0, 16), (99, 84, 100), (100, 84, 100), (None, 84, 100)],
)
def test_the_picture_shows_the_cycles_round_the_difference(
    detected: int | None, first: int, last: int, tmp_path: Path
) -> None:
    """The difference may lie far from the recording's end, near it, or near the beginning."""
    (tmp_path / "dump.vcd").write_text(COUNTED)
    plot = wave_picture(tmp_path / "dump.vcd", "fifo", "w", None if detected is None else 10_000 * detected)
    assert plot is not None
    line, ticks = drawn_at(plot.svg)
    assert all(f">{cycle:x}</text>" in plot.svg for cycle in range(first, last)), "a cycle's data is not shown"
    assert all(f">{cycle:x}</text>" not in plot.svg for cycle in (first - 1, last + 1) if 16 <= cycle < 100)
    if detected is None:
        assert line is None
        assert "the recording's end is shown" in plot.caption
        assert "no time of the difference is known" in plot.caption
        return
    assert f"detected, at {10 * detected} ns" in plot.caption
    # A tick every other cycle.
    left, right = ticks[f"{10 * first}"], ticks[f"{10 * last}"]
    assert line is not None
    assert line == pytest.approx(left + (right - left) * (detected - first) / (last - first), abs=0.5)


def test_a_bucket_is_pictured_at_its_time(results: Path, tmp_path: Path) -> None:
    path = results / "regress.json"
    document = json.loads(path.read_text())
    (bucket,) = document["buckets"]
    Path(bucket["waves"]).write_text(COUNTED)
    write_site(results, tmp_path / "old")
    assert "no time of the difference is known" in (tmp_path / "old" / "failures.html").read_text()
    bucket["detected_ps"] = 540_000
    path.write_text(json.dumps(document))
    write_site(results, tmp_path / "site")
    html = (tmp_path / "site" / "failures.html").read_text()
    assert "the line marks when the first difference was detected, at 540 ns" in html
    assert f">{54:x}</text>" in html
    assert f">{99:x}</text>" not in html


#: Shows every page of the site in a frame and says of each, as laid out, its heading, its links and its anchors.
FRAMES = """<!doctype html>
{frames}
<pre id="said"></pre>
<script>
addEventListener("load", () => {{
  const pages = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, heading = page.querySelector("h1");
    return {{
      url: frame.src,
      heading: heading && heading.getClientRects().length ? heading.innerText : "",
      links: [...page.querySelectorAll("a[href], link[href]")].map(link => link.href),
      anchors: [...page.querySelectorAll("[id]")].map(element => element.id),
      width: page.documentElement.scrollWidth,
      plots: [...page.querySelectorAll("figure svg")].map(plot => plot.getBoundingClientRect().height),
    }};
  }});
  document.getElementById("said").textContent = JSON.stringify(pages);
}});
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="the package 'chromium' is not installed")
def test_chromium_shows_every_page(results: Path, tmp_path: Path) -> None:
    """The pages as a browser lays them out, from disk, all in one start of it: headings, plots, links."""
    folder = write_site(results, tmp_path / "site").parent
    pages = {page.as_uri(): page for page in sorted(folder.rglob("*.html"))}
    frames = "".join(f'<iframe src="{url}" width="1200" height="900"></iframe>\n' for url in pages)
    (tmp_path / "frames.html").write_text(FRAMES.format(frames=frames))
    assert CHROMIUM is not None
    shown = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom",
         (tmp_path / "frames.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True, cwd=ROOT,
    ).stdout  # fmt: skip
    said = re.search(r'<pre id="said">(.+)</pre>', shown)
    assert said is not None, "the pages were not loaded"
    found = {page["url"]: page for page in json.loads(html.unescape(said[1]))}
    assert set(found) == set(pages)
    headings = {"index": "Verification report", "failures": "Failures", "tiny-fifo": "esc_fifo.v"}
    for url, page in found.items():
        assert page["heading"] == headings.get(pages[url].stem, pages[url].stem)
        assert page["links"]
        assert page["width"] <= 1200, f"{url} is wider than its window"
        assert all(page["plots"])
        for link in page["links"]:
            target, _, anchor = link.partition("#")
            assert target in found, f"{url} links to {link}, which is not there"
            assert not anchor or anchor in found[target]["anchors"], f"{url} links to {link}"
    index = found[(folder / "index.html").as_uri()]
    assert {pages[link].stem for link in index["links"]} == {"failures", *UNITS}
    assert "plot-trend" in index["anchors"]
