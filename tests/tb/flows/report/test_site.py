"""The verification report: what it shows is what the result files hold, and every link leads somewhere."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penni_escalate.common.errors import UserError, run_command
from penni_escalate.common.paths import ROOT
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.units import UNITS
from penni_escalate.tb.flows.report import evidence
from penni_escalate.tb.flows.report.command import main
from penni_escalate.tb.flows.report.documents import SOURCES, read_history, read_results
from penni_escalate.tb.flows.report.evidence import Share, campaign_statuses, outdated, suites_of
from penni_escalate.tb.flows.report.facts import read_facts
from penni_escalate.tb.flows.report.site import write_site
from penni_escalate.tb.flows.report.waves import wave_picture
from penni_escalate.tb.flows.testplan import Campaign, Status
from tests.tb.flows.report.made import MADE, VCD, change, parsed, proof

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_every_link_leads_to_a_page_of_the_site(index_of_a_failure: Path) -> None:
    index = index_of_a_failure
    pages = sorted(index.parent.rglob("*.html"))
    assert len(pages) == 5 + 3 * len(UNITS) + 1
    files = sorted(path for path in index.parent.rglob("*") if path.is_file())
    count = 0
    for page in pages:
        for link in parsed(page).links:
            assert not link.startswith(("http:", "https:", "//", "/")), f"{page.name} needs {link}"
            target, _, anchor = link.partition("#")
            place = (page.parent / target).resolve()
            assert place in files, f"{page.name} links to {link}, which is not there"
            assert not anchor or f'id="{anchor}"' in place.read_text(), f"{page.name} links to {link}"
            count += 1
    assert count > 3 * len(UNITS)


def test_the_index_says_what_failed_and_what_was_not_run(index_of_a_failure: Path, results: Path) -> None:
    text = parsed(index_of_a_failure).text
    assert "Not run: mutants (make mutants), gates (make gates)" in text
    assert "code coverage (make coverage)" not in text
    assert "1 bucket of failures" in text
    units = {row.unit: row for row in read_facts(results).units}
    assert units["fifo"].stage is None, "one of its runs failed"
    assert units["fifo"].killed is None
    assert units["fifo"].proved == Share(0, 3, ("2 not run",)), "a vacuous proof is none"
    assert (units["fifo"].passed, len(units["fifo"].runs)) == (1, 2)
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
def test_a_proof_counts_with_its_guards(fields: dict[str, Any], word: str, status: Status, results: Path) -> None:
    change(results, "formal", proofs=[proof(f"order_{depth}", **fields) for depth in (2, 4)])
    row = next(row for row in read_facts(results).units if row.unit == "fifo")
    assert [(entry.word, entry.status) for entry in row.proofs[:2]] == [(word, status)] * 2
    assert row.proofs[2].word == "not run"
    assert row.proved is not None
    assert (row.proved.good, row.proved.all) == (2 * (status is Status.PASSED), 3)
    lacking = {name for point in row.points for name in point.missing if name.startswith("fifo.order")}
    assert lacking == {f"fifo.order_{depth}" for depth in ((8,) if status is Status.PASSED else (2, 4, 8))}


def test_pages_say_what_became_of_proofs(results: Path, tmp_path: Path) -> None:
    change(results, "formal", proofs=[proof("order_2", outcome="bounded"), proof("order_4", covers=["full"])])
    index = write_site(results, tmp_path / "site")
    rows = (index.parent / "fifo.html").read_text().partition('id="proofs"')[2].partition("</table>")[0]
    assert re.findall(r">(bounded|not guarded|not run)</span>", rows) == ["bounded", "not guarded", "not run"]
    assert "1 not run" in index.read_text() and "1 not guarded" in index.read_text()


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
    (results / "mutants.json").write_text(
        json.dumps({"tools": {}, "made_from": "before", "made": MADE, "mutants": [mutant]})
    )
    (results / "gates.json").write_text(
        json.dumps({"tools": {}, "made_from": "before", "made": MADE, "results": [gate]})
    )
    units = {row.unit: row for row in read_facts(results).units}
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
        assert parsed(index.parent / f"{page}-runs.html").text.count("Not run.") == 1
        assert parsed(index.parent / f"{page}-bins.html").text.count("Not run.") == 1
        assert ("There are none" in text) is (page == "requantize")
    cells = index.read_text().partition('<a href="gather_control.html">')[2].partition("</tr>")[0]
    assert cells.count("not run</span></a>") == 5, "runs, functional coverage, mutants, proofs, gate level"


def test_failed_runs_leave_the_coverage_open(results: Path) -> None:
    """They ran, so that nothing was hit is a fact."""
    regress = json.loads((results / "regress.json").read_text())
    for entry in regress["jobs"]:
        entry["hits"] = {}
        entry["result"]["verdict"] = "failed"
    (results / "regress.json").write_text(json.dumps(regress))
    assert all(row.bins is not None and row.bins.good == 0 for row in read_facts(results).units)


def test_mutants_that_are_only_waived_are_called_so(index_of_a_failure: Path) -> None:
    text = " ".join(parsed(index_of_a_failure).text.split())
    assert "killed by the detector that was expected, proved equivalent, or waived" in text


def test_campaigns_count_when_they_are_whole() -> None:
    curated, generated = {"generated": False, "status": "killed"}, {"generated": True, "status": "equivalent"}
    bench = {"verdict": "passed"}
    assert campaign_statuses((), ()) == {}
    assert campaign_statuses((curated,), ()) == {}, "the generated ones lack"
    drawn = curated | {"drawn": True}
    assert campaign_statuses((drawn, generated), ()) == {}, "the curated ones lack"
    assert campaign_statuses((curated, generated, drawn | {"status": "survived"}), ()) == {
        Campaign.MUTANTS: Status.FAILED
    }
    assert campaign_statuses((curated, generated), (bench, bench)) == dict.fromkeys(Campaign, Status.PASSED)
    for wrong in ("survived", "wrong_detector"):
        assert campaign_statuses((curated, generated, generated | {"status": wrong}), ()) == {
            Campaign.MUTANTS: Status.FAILED
        }
        assert campaign_statuses((curated | {"status": wrong},), ()) == {Campaign.MUTANTS: Status.FAILED}
    assert campaign_statuses((), (bench, {"verdict": "failed"})) == {Campaign.GATES: Status.FAILED}


def test_a_failure_has_its_command_and_its_waves(index_of_a_failure: Path) -> None:
    text = (index_of_a_failure.parent / "failures.html").read_text()
    assert "rerun fifo.lockstep:tiny:icarus:plain:2:20 --waves" in text
    assert "expected &lt;0x1&gt;" in text
    assert "<svg" in text
    assert "valid_i" in text
    assert "row_ready_o" not in text, "a signal of another unit"


def test_a_hole_in_the_coverage_is_shown(results: Path, tmp_path: Path) -> None:
    path = results / "regress.json"
    document = json.loads(path.read_text())
    (hits,) = (entry["hits"]["row"] for entry in document["jobs"] if entry["job"]["test"] == "row.lockstep")
    hole = next(iter(hits))
    del hits[hole]
    path.write_text(json.dumps(document))
    row = next(row for row in read_facts(results).units if row.unit == "row")
    assert row.bins is not None and row.bins.good == row.bins.all - 1
    item = hole.partition("/")[0]
    for point in row.points:
        assert (f"coverage {item}" in point.missing) == (item in point.point.coverage)
        if item in point.point.coverage:
            assert point.status is Status.HOLES, "its tests ran, which is not the same as not run"
    write_site(results, tmp_path / "site")
    assert 'class="hole"' in (tmp_path / "site" / "row-bins.html").read_text()
    assert "ran, with holes" in parsed(tmp_path / "site" / "row.html").text


def test_a_missed_line_is_marked(index_of_a_failure: Path) -> None:
    text = (index_of_a_failure.parent / "source" / "tiny-fifo.html").read_text()
    assert '<tr id="l1" class="missed">' in text
    assert "if (a &lt; b)" in text
    assert "missed: else" in text


def test_a_folder_of_something_else_is_kept(results: Path, tmp_path: Path) -> None:
    """A report is replaced, and an empty folder filled."""
    (tmp_path / "empty").mkdir()
    for _ in range(2):
        write_site(results, tmp_path / "empty")
    mine = tmp_path / "mine" / "index.html"
    mine.parent.mkdir()
    mine.write_text("my page")
    with pytest.raises(UserError, match=r"^Folder .*mine holds something else than a report: name one that may be "):
        write_site(results, mine.parent)
    assert mine.read_text() == "my page"


def test_the_summary_says_what_the_site_shows(index_of_a_failure: Path, results: Path) -> None:
    summary = json.loads((index_of_a_failure.parent.parent / "results" / "report.json").read_text())
    rows = {row.unit: row for row in read_facts(results).units}
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
        {
            "tools": {},
            "made_from": "before",
            "made": MADE,
            "proofs": [proof("order_2"), proof("order_4", outcome="fine")],
        }
    )
    (results / "formal.json").write_text(text)
    with pytest.raises(UserError, match=r"formal\.json: field 'proofs\.1\.outcome' is 'fine': .*'make formal'"):
        read_results(results)


def test_coverage_of_regressions_alone(results: Path, tmp_path: Path) -> None:
    """They write coverage.json too, and know neither waivers nor tools; it is no code coverage."""
    functional = {unit: {"functional": {"covered": 1, "total": 1, "holes": []}} for unit in UNITS}
    (results / "coverage.json").write_text(json.dumps({"units": functional}))
    (results / "code_coverage_lines.json").unlink()
    assert "code coverage (make coverage)" in parsed(write_site(results, tmp_path / "site")).text
    assert all(set(row.code.values()) == {None} for row in read_facts(results).units)


def test_a_testplan_that_names_what_is_not_there(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evidence.read_testplan("fifo")
    for names in ({"tests": ("fifo.lockstop",)}, {"proofs": ("fifo.order",)}, {"coverage": ("fuller",)}):
        plan = replace(whole, testpoints=(replace(whole.testpoints[0], **names),))
        monkeypatch.setattr(evidence, "read_testplan", lambda _, plan=plan: plan)
        with pytest.raises(UserError, match=r"fifo/testplan\.yaml: .* names .*, which is not there: use one of "):
            read_facts(results)


def test_suites_and_whether_the_sources_are_those_of_today(index_of_a_failure: Path, results: Path) -> None:
    rows = suites_of(read_history(results))
    assert [(row.line["suite"], row.line["time"], row.current) for row in rows] == [
        ("soak", "2026-01-03T08:00:00+00:00", True),
        ("smoke", "2026-01-02T08:00:00+00:00", False),
    ], "the last of each suite that was whole"
    text = parsed(index_of_a_failure).text
    assert "The 2 whole runs of suite smoke" in parsed(index_of_a_failure.parent / "changes.html").text
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
    assert "Code coverage is below a goal in 1 figure" in parsed(index).text and sentence in parsed(index).text
    page = (index.parent / "fifo.html").read_text()
    assert sentence in page and '<td class="scale-0 below">12.0</td>' in page
    assert sentence not in (index.parent / "row.html").read_text()


def test_bins_of_no_configuration_are_named(results: Path, tmp_path: Path) -> None:
    path = results / "regress.json"
    document = json.loads(path.read_text())
    counts = next(entry["counts"] for entry in document["functional"] if entry["unit"] == "row")
    del counts["part/between"]
    for entry in document["jobs"]:
        entry["hits"].get("row", {}).pop("part/between", None)
    path.write_text(json.dumps(document))
    index = write_site(results, tmp_path / "site")
    row = next(row for row in read_facts(results).units if row.unit == "row")
    assert row.bins == Share(len(counts), len(counts) + 1, ("1 in other configurations",)), "of all bins"
    assert "1 in other configurations" in parsed(index).text
    assert "between (needs another configuration)" in parsed(index.parent / "row-bins.html").text


def test_a_history_line_that_is_none_is_passed_over(results: Path) -> None:
    path = results / "history.jsonl"
    older = json.loads(path.read_text().splitlines()[0])
    del older["commit"], older["dirty"], older["host"]
    path.write_text(f'{path.read_text()}\n3\n{{"a": 1}}\n{json.dumps(older)}\n')
    assert read_history(results)[-1]["commit"] == "not recorded", "of before commits were kept"
    assert [line["passed"] for line in read_history(results)] == [1, 2, 3, 2, 1]


def test_waves_without_signals_of_the_unit(tmp_path: Path) -> None:
    (tmp_path / "dump.vcd").write_text(VCD)
    assert wave_picture(tmp_path / "dump.vcd", "collector", "w", None) is None
    assert wave_picture(tmp_path / "dump.vcd", "fifo", "w", None) is not None


#: 100 cycles, in which data counts them from 256.
COUNTED = VCD.partition("#0\n")[0] + "".join(f"#{10_000 * n}\nb{n + 256:b} #\n" for n in range(101))


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
    assert all(f">{cycle + 256:x}</text>" in plot.svg for cycle in range(first, last)), "a cycle's data is not shown"
    assert all(f">{cycle + 256:x}</text>" not in plot.svg for cycle in (first - 1, last + 1) if 0 <= cycle < 100)
    if detected is None:
        assert line is None
        assert "the recording's end is shown" in plot.caption
        assert "no time of the difference is known" in plot.caption
        return
    assert f"detected, at {10 * detected} ns" in plot.caption
    assert f"the end of cycle {detected - 1}" in plot.caption
    left, right = ticks[f"{first}"], ticks[f"{last}"]
    assert line is not None
    assert line == pytest.approx(left + (right - left) * (detected - first) / (last - first), abs=0.5)


def test_a_bucket_is_pictured_at_its_time(results: Path, tmp_path: Path) -> None:
    path = results / "regress.json"
    document = json.loads(path.read_text())
    failing = document["jobs"][-1]
    Path(failing["waves"]).write_text(COUNTED)
    write_site(results, tmp_path / "old")
    assert "no time of the difference is known" in (tmp_path / "old" / "failures.html").read_text()
    failing["detected_ps"] = 540_000
    path.write_text(json.dumps(document))
    write_site(results, tmp_path / "site")
    html = (tmp_path / "site" / "failures.html").read_text()
    assert "the line marks when the first difference was detected, at 540 ns" in html
    assert f">{54 + 256:x}</text>" in html
    assert f">{99 + 256:x}</text>" not in html


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
      cut: [...page.querySelectorAll(".wide")].filter(table => table.scrollWidth > table.clientWidth + 1).length,
      plots: [...page.querySelectorAll("figure svg")].map(plot => plot.getBoundingClientRect().height),
    }};
  }});
  document.getElementById("said").textContent = JSON.stringify(pages);
}});
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="the package 'chromium' is not installed")
def test_chromium_shows_every_page(index_of_a_failure: Path, tmp_path: Path) -> None:
    """The pages as a browser lays them out, from disk, all in one start of it: headings, plots, links."""
    folder = index_of_a_failure.parent
    pages = {page.as_uri(): page for page in sorted(folder.rglob("*.html"))}
    frames = "".join(f'<iframe src="{url}" width="1400" height="900"></iframe>\n' for url in pages)
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
    headings = {"index": "Verification report", "failures": "Failures", "tiny-fifo": "esc_fifo.v", "changes": "Changes",
                "checklist": "Sign-off checklist", "waivers": "Waivers"}  # fmt: skip
    headings |= {f"{unit}-{page}": f"{unit}: {says}" for unit in UNITS
                 for page, says in (("runs", "runs"), ("bins", "functional coverage"))}  # fmt: skip
    for url, page in found.items():
        assert page["heading"] == headings.get(pages[url].stem, pages[url].stem)
        assert page["links"]
        assert page["width"] <= 1400, f"{url} is wider than its window"
        assert not page["cut"], f"a table of {url} is wider than the window"
        assert all(page["plots"])
        for link in page["links"]:
            target, _, anchor = link.partition("#")
            if "/waves/" in target:
                continue
            assert target in found, f"{url} links to {link}, which is not there"
            assert not anchor or anchor in found[target]["anchors"], f"{url} links to {link}"
    index = found[(folder / "index.html").as_uri()]
    assert {"failures", "checklist", "waivers", "changes", *UNITS} <= {
        pages[link.partition("#")[0]].stem for link in index["links"]
    }
    assert "plot-regressions" in found[(folder / "changes.html").as_uri()]["anchors"]
