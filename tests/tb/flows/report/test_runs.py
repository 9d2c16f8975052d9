"""Regressions of the same sources add up; every run has its seeds, log, command, and places that lead there."""

import json
import re
from pathlib import Path

import pytest

from penni_escalate.tb.flows.catalog import catalog
from penni_escalate.tb.flows.report.checklist import checklist
from penni_escalate.tb.flows.report.documents import read_regressions, read_results
from penni_escalate.tb.flows.report.facts import read_facts
from penni_escalate.tb.flows.report.runs import regressions_of, runs_of, seeds_in_words
from penni_escalate.tb.flows.report.site import with_logs, write_site
from tests.tb.flows.report.made import MADE, all_passed, change, job, parsed, regression, write

EARLIER = MADE | {"time": "2026-01-02T10:20:30+02:00"}


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ([], ""),
        ([7], "7"),
        ([1, 2], "1, 2"),
        ([1, 1001], "1, 1001"),
        (range(1, 21), "1 to 20"),
        (range(1, 1000, 50), "1 to 951 by 50"),
        ([22, 3, 7, 20, 21], "3, 7, 20 to 22"),
        ([1, 4, 7], "1, 4, 7"),
        ([*range(1, 21), 1001], "1 to 20, 1001"),
    ],
)
def test_seeds_are_said_as_they_were(seeds: list[int], words: str) -> None:
    assert seeds_in_words(seeds) == words


def test_suites_of_the_same_sources_add_up(results: Path) -> None:
    """A run counts once, those of other sources do not, and the last regression's own document not twice."""
    fifo = [job("fifo.lockstep", "passed", seed) for seed in (1, 5, 6)]
    last = regression("smoke", fifo[:1])
    write(results, "regress", last)
    write(results / "regressions", "smoke-1", last)
    write(results / "regressions", "soak-1", regression("soak", fifo, made=EARLIER))
    write(results / "regressions", "shapes-1", regression("shapes", [job("row.lockstep", "passed", 3)], sources="x"))
    documents = read_regressions(results, last)
    assert [entry.suite for entry in regressions_of(documents)] == ["smoke", "soak"]
    runs = runs_of(documents)
    assert [(run.outcome.job.seed, run.suites) for run in runs] == [
        (1, ("smoke", "soak")),
        (5, ("soak",)),
        (6, ("soak",)),
    ]
    units = {row.unit: row for row in read_facts(results).units}
    assert (units["fifo"].passed, len(units["fifo"].runs)) == (3, 3)
    assert units["fifo"].tests[0].seeds == "1, 5, 6"
    assert not units["row"].runs


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ("failed", "passed", "failed"),
        ("passed", "failed", "failed"),
        ("crashed", "passed", "passed"),
        ("crashed", "failed", "failed"),
    ],
)
def test_of_two_results_of_a_run_the_worse_counts(first: str, second: str, counts: str) -> None:
    """But a crash says nothing of the design."""
    verdicts = {"smoke": first, "soak": second}
    documents = [regression(suite, [job("fifo.lockstep", verdict, 1)]) for suite, verdict in verdicts.items()]
    (run,) = runs_of(documents)
    assert run.verdict == counts


def test_a_run_of_many_seeds_says_so() -> None:
    runs = [job("stream_core.random", "passed", 101), job("fifo.lockstep", "passed", 101)]
    assert [run.seeds for run in runs_of([regression("smoke", runs)])] == ["101 to 120", "101"]


@pytest.mark.parametrize(
    ("suite", "whole", "rests"),
    [("smoke", True, False), ("nightly", True, True), ("nightly", False, False), ("unknown", True, False)],
)
def test_a_stage_rests_on_a_whole_run_of_a_suite_that_signs_off(
    suite: str, whole: bool, rests: bool, results: Path
) -> None:
    write(results, "regress", regression(suite, all_passed(), whole=whole))
    facts = read_facts(results)
    stages = {row.unit: row.stage for row in facts.units}
    assert (stages["fifo"] is not None) is rests
    assert facts.basis == ("nightly" if rests else "no suite that signs off")


@pytest.mark.parametrize("subfolder", ["", "initial4"])
def test_rows_of_runs_lead_to_log_and_waves_and_back_to_the_testpoint(
    subfolder: str, results: Path, tmp_path: Path
) -> None:
    """In three clicks from the index: testpoint, run, log; and from the failure to its testpoint."""
    document = json.loads((results / "regress.json").read_text())
    failing = document["jobs"][-1]
    folder = tmp_path / "run"
    (folder / subfolder).mkdir(parents=True)
    (folder / subfolder / "simulation.log").write_text("what the simulator said")
    failing["folder"] = str(folder)
    failing["result"]["place"] = subfolder
    write(results, "regress", document)
    site = write_site(results, tmp_path / "site").parent
    place = "run-fifo.lockstep-tiny-icarus-plain-2-20"
    text = (site / "fifo-runs.html").read_text()
    row = text.partition(f'<tr id="{place}" class="fails">')[2].partition("</tr>")[0]
    assert '<th scope="row">2</th>' in row and ">failed</span>" in row and "<td>1.5</td>" in row
    assert failing["command"] in row
    assert f'<a href="logs/{place}.txt">log</a>' in row and f'<a href="waves/{place}.vcd">waves</a>' in row
    assert (site / "logs" / f"{place}.txt").read_text() == "what the simulator said"
    assert (site / "waves" / f"{place}.vcd").read_text() == (tmp_path / "dump.vcd").read_text()
    first = text.index(place)
    assert first < text.index("run-fifo.lockstep-tiny-icarus-plain-1-20"), "failed runs first"
    unit = (site / "fifo.html").read_text()
    point = unit.partition('<tr id="testpoint-order" class="fails">')[2].partition("</tr>")[0]
    assert f'href="fifo-runs.html#{place}"' in point and 'href="fifo.html#test-fifo.lockstep"' in point
    failures = (site / "failures.html").read_text()
    assert 'href="fifo.html#testpoint-order"' in failures and f'href="fifo-runs.html#{place}"' in failures
    index = (site / "index.html").read_text()
    assert f'href="fifo-runs.html#{place}"' in index
    failing_rows = re.findall(r'<tr class="fails">\s*<th scope="row"><a href="(\w+)\.html">', index)
    assert failing_rows == ["fifo"], "marked by a sign before its name, too"


def test_a_long_log_is_cut_and_says_so(results: Path, tmp_path: Path) -> None:
    document = json.loads((results / "regress.json").read_text())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "simulation.log").write_text("x" * 300_000 + "its end")
    document["jobs"][-1]["folder"] = str(tmp_path / "run")
    write(results, "regress", document)
    (tmp_path / "site").mkdir()
    with_logs(tmp_path / "site", read_facts(results))
    (log,) = (tmp_path / "site" / "logs").iterdir()
    assert log.read_text().startswith("The last 200000 of 300007 bytes of ") and log.read_text().endswith("its end")


def test_a_test_that_compares_nothing_on_purpose_says_so(results: Path, tmp_path: Path) -> None:
    """One that does not say so is wrong."""
    name = "stream_core.errors_nothing_compared"
    document = json.loads((results / "regress.json").read_text())
    (entry,) = (entry for entry in document["jobs"] if entry["job"]["test"] == name)
    entry["result"] |= {"compared": 0, "nothing_to_compare": True}
    write(results, "regress", document)
    site = write_site(results, tmp_path / "site").parent
    assert "none, on purpose" in parsed(site / "stream_core.html").text
    assert "It compares nothing on purpose" in parsed(site / "stream_core-runs.html").text
    assert "do not say that they should" not in parsed(site / "checklist.html").text
    entry["result"]["nothing_to_compare"] = False
    write(results, "regress", document)
    (item,) = (item for item in checklist(read_facts(results)) if item.name == "Runs")
    assert "1 of which compared nothing and do not say that they should" in item.says
    assert item.links[-1].text.startswith(name)


def test_a_damaged_regression_is_refused(results: Path) -> None:
    write(results / "regressions", "soak-1", {"suite": "soak"})
    with pytest.raises(Exception, match=r"soak-1\.json: .*: run 'make regress' again"):
        read_regressions(results, read_results(results)["regress"])


def test_every_test_of_the_catalog_has_its_rows(results: Path) -> None:
    change(results, "regress", sources="of today")
    rows = {test.name: len(test.runs) for unit in read_facts(results).units for test in unit.tests}
    assert rows == {name: 2 if name == "fifo.lockstep" else 1 for name in catalog()}
