"""What each report says is kept, and compared: what changed since last week."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from penni_escalate.common.figures import draw_plot
from penni_escalate.common.provenance import Provenance
from penni_escalate.tb.flows.report import trend
from penni_escalate.tb.flows.report.snapshot import (
    NAME,
    Snapshot,
    UnitFigures,
    base_of,
    changes_between,
    remember,
)
from penni_escalate.tb.flows.report.trend import trend_of_regressions, trend_of_reports


def made(day: int) -> Provenance:
    return Provenance(f"commit{day}", False, f"2026-03-{day:02}T12:00:00+01:00", "node-7")


FIFO = UnitFigures("V2", {"order": "passed", "reset": "passed"}, {"runs": (5, 5), "line": (99, 100)}, ["full/met"])
THEN = Snapshot(made(1), "not complete", {"fifo": FIFO}, {"runs": (5, 5), "line": (99, 100)}, [], ["fifo: toggle a: b"])


@pytest.mark.parametrize(
    ("days", "base"), [((1, 2, 9, 20), 9), ((1, 13, 14, 20), 13), ((18, 19, 20), 18), ((20,), None)]
)
def test_the_report_before_last_week_is_the_one_to_compare_with(days: tuple[int, ...], base: int | None) -> None:
    """The last that is a week old, or the first where none is."""
    found = base_of([replace(THEN, made=made(day)) for day in days])
    assert (found and found.made) == (made(base) if base else None)


def test_what_changed(tmp_path: Path) -> None:
    now_fifo = UnitFigures(
        "V1",
        {"order": "passed", "reset": "failed", "wrap": "passed"},
        {"runs": (5, 6), "line": (100, 100)},
        ["empty/met"],
    )
    now = Snapshot(made(8), "not acceptable", {"fifo": now_fifo}, {}, ["fifo.lockstep:tiny"], ["fifo: toggle c: d"])
    changes = [(c.unit, c.what, c.before, c.after, c.better) for c in changes_between(THEN, now)]
    assert changes[:5] == [
        ("fifo", "run fifo.lockstep:tiny", "", "fails", False),
        ("fifo", "stage", "V2", "V1", False),
        ("fifo", "testpoint reset", "passed", "failed", False),
        ("fifo", "runs", "5 of 5", "5 of 6", False),
        ("fifo", "bin empty/met", "", "open", False),
    ], "the worse first"
    assert ("fifo", "testpoint wrap", "not in the testplan", "passed", True) in changes
    assert ("fifo", "line", "99 of 100", "100 of 100", True) in changes
    assert ("fifo", "bin full/met", "open", "hit, or not in the model any more", True) in changes
    assert ("fifo", "waiver fifo: toggle a: b", "there", "gone", None) in changes
    assert ("", "verdict", "not complete", "not acceptable", None) in changes
    assert changes_between(THEN, replace(THEN, made=made(9))) == []


def test_a_report_that_says_the_same_is_not_kept_twice(tmp_path: Path) -> None:
    assert len(remember(tmp_path, THEN)) == 1
    assert [report.made for report in remember(tmp_path, replace(THEN, made=made(2)))] == [made(1), made(2)]
    changed = remember(tmp_path, replace(THEN, made=made(3), failing=["fifo.lockstep:tiny"]))
    assert [report.made for report in changed] == [made(1), made(3)]
    with open(tmp_path / NAME, "a") as file:
        file.write('{"cut o')
    reports = remember(tmp_path, replace(THEN, made=made(4)))
    assert [entry.failing for entry in reports] == [[], ["fifo.lockstep:tiny"], []]
    assert json.loads((tmp_path / NAME).read_text().splitlines()[0])["made"]["commit"] == "commit1"


def test_every_metric_has_its_trend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trend, "draw_plot", draw_plot)
    later = replace(THEN, made=made(2), totals={"runs": (5, 6), "line": None})
    plot = trend_of_reports([THEN, later])
    assert plot is not None
    assert all(f"{name} [%]" in plot.svg for name in later.totals)
    assert trend_of_reports([THEN]) is None


def test_the_regressions_of_a_suite_have_their_trend(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole runs of that suite alone."""
    monkeypatch.setattr(trend, "draw_plot", draw_plot)
    whole = {
        "whole": True, "suite": "smoke", "time": "2026-01-02T03:04:05", "runs": 4, "passed": 3, "functional": [5, 8],
        "layers": 6, "compared": 70, "seconds": 8.0,
    }  # fmt: skip
    others = [whole | {"suite": "nightly"}, whole | {"whole": False}]
    plot = trend_of_regressions([whole, *others, whole | {"passed": 4, "compared": 71}], "smoke")
    assert plot is not None and "The 2 whole runs of suite smoke" in plot.caption
    names, last = ("runs passed [%]", "bins hit [%]", "random layers"), (">100</text>", ">62.5</text>", ">71</text>")
    assert [text for text in (*names, *last) if text not in plot.svg] == []
    assert trend_of_regressions([whole, *others], "smoke") is None
