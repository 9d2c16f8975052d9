"""What the pages say to a reviewer on screen and on paper."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penni_escalate.common.paths import ROOT
from penni_escalate.common.provenance import Provenance
from penni_escalate.common.units import UNITS
from penni_escalate.tb.flows.report import facts as facts_module
from penni_escalate.tb.flows.report.facts import read_facts
from penni_escalate.tb.flows.report.site import write_site
from penni_escalate.tb.flows.report.snapshot import remember, snapshot_of
from penni_escalate.tb.flows.report.source import Mark, holes_of, noted
from penni_escalate.tb.flows.report.waivers import Standing, WaiverRow
from tests.tb.flows.report.made import change, parsed, results_of_a_failure, write

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BEFORE = Provenance("aaaaaaaaaa", False, "2025-12-20T09:00:00+02:00", "desk-3")
REPORT = Provenance("fedcba9876", True, "2026-01-04T09:00:00+02:00", "desk-3")


Names = tuple[str, ...]


def line(number: int, missed: Names = (), waived: Names = (), waivers: tuple[int, ...] = ()) -> dict[str, Any]:
    """A line of code_coverage_lines.json."""
    place = {"number": number, "text": f"text {number}", "count": 7, "template": 10 * number}
    return place | {"missed": missed, "waived": waived, "waivers": waivers}


LINES = [
    line(1),
    line(2, ("",)),
    line(3, waived=("a[0]:0->1",), waivers=(0,)),
    line(4, tuple(f"bits[{bit}]:0->1" for bit in range(12))),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with a figure below its goal in many units, places in the hierarchy, a waiver, and holes."""
    results = results_of_a_failure(tmp_path_factory.mktemp("made"))
    coverage = json.loads((results / "coverage.json").read_text())
    low = {"covered": 6, "total": 10, "waived": 0, "percent": 60.0}
    for unit, figures in coverage["units"].items():
        whole = {kind: figures[kind] for kind in ("line", "branch", "toggle", "expression")}
        figures["configurations"] = {"tiny": whole | {"line": low}, "eight": whole}
        figures["places"] = {"tiny": {f"bench.u_{unit}_*": whole | {"toggle": low}}}
    waiver = {"unit": "fifo", "type": "toggle", "signal": "a", "category": "constant",
              "reason": "It is wired to 0, as the page says.", "points": {"tiny": 1}}  # fmt: skip
    short = [f"{unit}, tiny: line 60.0 % of 10 points, goal 99 %" for unit in UNITS]
    measured = {"files": {"tiny": 2, "eight": 1}, "regressions": ["nightly", "a part of coverage"]}
    write(results, "coverage", coverage | {"shortfalls": short, "waivers": [waiver]} | measured)
    change(results, "code_coverage_lines", configurations={"tiny": {"fifo": LINES}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts_module, "provenance", lambda: REPORT)
        now = snapshot_of(read_facts(results), "not complete")
        remember(results, replace(now, made=BEFORE, failing=[]))
        return write_site(results, results.parent / "site").parent


def test_every_page_says_of_which_commit_it_is(site: Path) -> None:
    """Commit and whether it was clean, time with zone, host, of the results and of the report; and the verdict."""
    for page in site.rglob("*.html"):
        text = " ".join(parsed(page).text.split())
        assert "not acceptable Results of commit 0123456789. Report made 2026-01-04 09:00:00 +0200 on desk-3, " in text
        assert "at commit fedcba9876 with uncommitted changes." in text
    origins = " ".join(parsed(site / "index.html").text.partition("What this rests on")[2].split())
    assert "regression smoke0123456789, clean2026-01-03 10:20:30 +0200node-7" in origins


def test_the_index(site: Path) -> None:
    """A verdict, goals in the heads, what is below one marked with the configuration, totals, no wall of sentences."""
    text = (site / "index.html").read_text()
    heads = parsed(site / "index.html").text
    assert '<p class="verdict not-acceptable" id="verdict"><strong>not acceptable</strong>' in text
    for goal in ("goal: 99", "goal: 95", "goal: all"):
        assert goal in heads
    assert "by no suite that signs off" in heads
    row = text.partition('<a href="row.html">row</a>')[2].partition("</tr>")[0]
    assert '<td class="scale-4 below">99.0<small>tiny 60.0</small></td>' in row
    assert '<td class="scale-4">99.0</td>' in row
    totals = text.partition('<tr id="totals">')[2].partition("</tr>")[0]
    assert re.search(r"<td>\d+ of \d+</td>\s*<td>\d+ of \d+</td>", totals) and "99.0" in totals
    assert text.index("</table>") < text.index('<details id="shortfalls">'), "the table comes before a long list"
    assert text.count("line 60.0 % of 10 points") == len(UNITS)


def test_code_coverage_says_of_which_regressions_it_is(site: Path) -> None:
    said = "3 runs of nightly, a part of coverage"
    code = parsed(site / "fifo.html").text.partition("Code coverage")[2].partition("By place")[0]
    assert f"Of {said}." in code
    assert said in parsed(site / "index.html").text.partition("What this rests on")[2]


def test_places_in_the_hierarchy(site: Path) -> None:
    table = (site / "row.html").read_text().partition('id="places"')[2].partition("</table>")[0]
    assert "bench.u_row_*" in table
    assert '<td class="scale-1">60.0</td><td>4</td>' in table


def test_a_source_page(site: Path) -> None:
    """The template's line, jumps from hole to hole, every point of a hole, the waiver's reason beside its line."""
    text = (site / "source" / "tiny-fifo.html").read_text()
    assert "from rtl/templates/fifo.v.j2." in text
    assert '<a href="#l2">2 lines with holes</a>' in text
    second = text.partition('<tr id="l2"')[2].partition("</tr>")[0]
    assert '<td class="soft">20</td>' in second and '<a href="#l4">↓</a>' in second and "↑" not in second
    fourth = text.partition('<tr id="l4"')[2].partition("</tr>")[0]
    assert '<a href="#l2">↑</a>' in fourth and "↓" not in fourth
    assert "; ".join(f"bits[{bit}]:0-&gt;1" for bit in range(12)) in fourth, "all of them"
    third = text.partition('<tr id="l3"')[2].partition("</tr>")[0]
    assert "It is wired to 0, as the page says." in third and 'href="../waivers.html#fifo-1"' in third
    assert "a[0]:0-&gt;1" in third


def test_waivers_say_when_they_were_judged(site: Path) -> None:
    text = parsed(site / "waivers.html").text
    judged = "commit 0123456789, 2026-01-03 10:20:30 +0200, 3 runs of nightly, a part of coverage."
    assert f"Last judged: code coverage of {judged}" in text
    row = (site / "waivers.html").read_text().partition('<tr id="fifo-1">')[2].partition("</tr>")[0]
    assert "not in its file any more" in row and 'href="source/tiny-fifo.html#l3"' in row


def test_the_marks_of_lines() -> None:
    waiver = WaiverRow("fifo", "toggle", 1, "a", "constant", "It is wired to 0.", "", Standing.STANDS)
    lines = noted(LINES, {0: waiver})
    assert [entry.mark for entry in lines] == [Mark.RAN, Mark.MISSED, Mark.WAIVED, Mark.PARTLY]
    assert [entry.hole for entry in lines] == [0, 1, 0, 2]
    assert holes_of(LINES) == [2, 4]
    assert lines[2].waivers == (waiver,)


def test_pages_have_numbers_and_stand_alone(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert 'counter(page) " of " counter(pages)' in text and "size: A4" in text
        assert "<script" not in text and "@import" not in text and "url(http" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="the package 'chromium' is not installed")
def test_the_index_on_paper(site: Path, tmp_path: Path) -> None:
    """Chromium prints it on a few sheets of A4: no column is cut off, nothing is lost."""
    assert CHROMIUM is not None
    pdf = tmp_path / "index.pdf"
    subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={pdf}",
         (site / "index.html").as_uri()],
        capture_output=True, timeout=120, check=True, cwd=ROOT,
    )  # fmt: skip
    data = pdf.read_bytes()
    sizes = {tuple(round(float(number)) for number in found.split()[2:])
             for found in re.findall(rb"/MediaBox \[([\d. ]+)\]", data)}  # fmt: skip
    assert sizes == {(842, 595)}
    assert 1 <= len(re.findall(rb"/Type /Page\b", data)) <= 4


def test_questions_are_answered_within_three_clicks(site: Path) -> None:
    """Each from the index by links alone."""
    start = site / "index.html"

    def within(clicks: int, found: Any) -> bool:
        pages = {start}
        for _ in range(clicks + 1):
            if any(found(page, page.read_text()) for page in pages):
                return True
            links = {page.parent / link.partition("#")[0] for page in pages for link in parsed(page).links}
            pages = {page.resolve() for page in links if page.suffix == ".html"}
        return False

    assert within(0, lambda page, text: "0123456789" in text and "not acceptable" in text), "the state, the commit"
    assert within(1, lambda page, text: 'id="testpoint-order" class="fails"' in text), "which testpoint fails"
    assert within(1, lambda page, text: page.name == "fifo-runs.html" and "rerun fifo." in text), "how to repeat"
    assert within(1, lambda page, text: page.name == "row-bins.html"), "which bins are open, and whose"
    assert within(1, lambda page, text: page.name == "waivers.html" and "still true" in text), "is the waiver true"
    assert within(1, lambda page, text: page.name == "changes.html"), "what changed"


def test_the_changes_since_the_report_before(site: Path) -> None:
    """The worse first, with the report that it is compared with; every figure has its trend."""
    text = (site / "changes.html").read_text()
    assert "Since 2025-12-20 09:00:00 +0200" in text and "commit aaaaaaaaaa" in text
    first = text.partition('<table id="since-base">')[2].partition("<tbody>")[2].partition("</tr>")[0]
    assert '<tr class="fails">' in first and "run fifo.lockstep:tiny:icarus:plain:2:20" in first
    assert 'id="plot-trend"' in text and 'id="plot-regressions"' in text
