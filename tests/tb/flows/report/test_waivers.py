"""Whether a waiver is still true: what the last judgement found, and what has changed since."""

from typing import Any

import pytest

from penni_escalate.tb.flows.code_coverage.waivers import Waiver
from penni_escalate.tb.flows.report import waivers as module
from penni_escalate.tb.flows.report.waivers import Standing, waivers_of

WRITTEN = Waiver(type="toggle", signal=r"level\[3\]", category="constant", reason="It is wired to 0, as the page says.")


def judged(**fields: Any) -> dict[str, Any]:
    """A waiver as coverage.json has it."""
    entry = WRITTEN.model_dump(mode="json", exclude_none=True)
    return entry | {"unit": "fifo", "points": {"eight": 2, "tiny": 0}} | fields


def results(*waivers: dict[str, Any]) -> dict[str, Any]:
    line = {"number": 9, "waivers": [0]}
    later = {"number": 12, "waivers": [0]}
    lines = {"configurations": {"eight": {"fifo": [line, later]}, "tiny": {"fifo": [{"number": 4, "waivers": []}]}}}
    return {"coverage": {"waivers": list(waivers)}, "code_coverage_lines": lines}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The FIFO's file has one waiver, no other unit's has any."""
    monkeypatch.setattr(module, "read_waivers", lambda unit: (WRITTEN,) if unit == "fifo" else ())


@pytest.mark.usefixtures("written")
def test_one_that_was_judged_as_it_is_written_stands() -> None:
    (row,) = waivers_of(results(judged()), [])
    assert (row.standing, row.number, row.reason) == (Standing.STANDS, 1, WRITTEN.reason)
    assert row.matched == "points that it takes away: 2 in eight; no run hit one"
    assert row.places == (("eight", 9),), "the first line of each configuration in which it took something away"


@pytest.mark.usefixtures("written")
def test_sources_that_changed_leave_it_unjudged() -> None:
    assert [row.standing for row in waivers_of(results(judged()), ["code coverage"])] == [Standing.OUTDATED]


@pytest.mark.usefixtures("written")
def test_other_words_are_another_waiver() -> None:
    rows = waivers_of(results(judged(reason="It was wired to 0, as the page said.")), [])
    assert [row.standing for row in rows] == [Standing.GONE, Standing.NEW]


@pytest.mark.usefixtures("written")
def test_one_that_was_never_judged() -> None:
    assert [row.standing for row in waivers_of({}, [])] == [Standing.NEW]


def test_mutants_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_waivers", lambda unit: ())
    mutant = {"unit": "fifo", "name": "m7", "what": "cnot0 of level", "reason": "The bit is not used."}
    mutants = {"mutants": [mutant | {"status": status} for status in ("killed", "equivalent", "out_of_reach")]}
    rows = waivers_of({"mutants": mutants}, [])
    assert [(row.category, row.reason, row.standing) for row in rows] == [
        ("equivalent", "The bit is not used.", Standing.STANDS),
        ("out of reach", "The bit is not used.", Standing.STANDS),
    ]
    assert {row.standing for row in waivers_of({"mutants": mutants}, ["mutants"])} == {Standing.OUTDATED}
