"""The sign-off checklist and the verdict: what is done, waived, open or failed, and why."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from penni_escalate.common.provenance import Provenance
from penni_escalate.common.sources import Flow
from penni_escalate.common.units import UNITS
from penni_escalate.tb.flows.formal.declarations import all_proofs
from penni_escalate.tb.flows.report import facts as facts_module
from penni_escalate.tb.flows.report.checklist import Item, State, Verdict, checklist, sentence_of, verdict_of
from penni_escalate.tb.flows.report.facts import Facts, read_facts
from penni_escalate.tb.flows.report.waivers import Standing, WaiverRow
from penni_escalate.tb.flows.result_store import origin_of
from tests.tb.flows.report.made import MADE, all_passed, change, job, proof, regression, write


@pytest.fixture
def whole(results: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results in which nothing is lacking."""
    monkeypatch.setattr(facts_module, "provenance", lambda: Provenance(**MADE))
    write(results, "regress", regression("nightly", all_passed()))
    full = {"covered": 10, "total": 10, "waived": 0, "percent": 100.0}
    kinds = dict.fromkeys(("line", "branch", "toggle", "expression"), full)
    units = {unit: kinds | {"configurations": {"tiny": kinds}} for unit in UNITS}
    write(results, "coverage", {"tools": {}, "made": MADE, "units": units, "waivers": [], "shortfalls": []})
    monkeypatch.setattr("penni_escalate.tb.flows.report.waivers.read_waivers", lambda unit: ())
    proofs = [
        proof(declared.name, covers=list(declared.declaration.covers)) | {"unit": declared.unit}
        for declared in all_proofs()
    ]
    mutant = {"name": "m", "kind": "k", "what": "w", "status": "killed", "expected": [], "fired": [], "reason": ""}
    mutants = [mutant | {"unit": unit, "generated": kind} for unit in UNITS for kind in (True, False)]
    gate = {"test": "all", "config": "tiny", "tool": "icarus", "verdict": "passed", "gates": 9, "flip_flops": 9}
    for flow, field, found in (
        (Flow.FORMAL, "proofs", proofs),
        (Flow.MUTANTS, "mutants", mutants),
        (Flow.GATES, "results", [gate | {"unit": unit} for unit in UNITS]),
    ):
        write(results, flow, {"tools": {}, "made_from": origin_of(flow, {}).digest, "made": MADE, field: found})
    return results


def items_of(facts: Facts) -> dict[str, Item]:
    return {item.name: item for item in checklist(facts)}


def test_where_nothing_lacks_the_report_may_be_signed(whole: Path) -> None:
    facts = read_facts(whole)
    items = checklist(facts)
    assert [(item.name, item.says) for item in items if item.state is not State.DONE] == []
    assert verdict_of(items) is Verdict.READY
    assert sentence_of(items) == "every item is done, or waived with a reason"
    assert {row.stage for row in facts.units} == {"V3"}
    assert not any(row.wrong for row in facts.units)


def test_a_failed_run(whole: Path) -> None:
    document = json.loads((whole / "regress.json").read_text())
    document["jobs"] += [job("fifo.lockstep", "failed", 3) | {"detected_ps": 90}]
    document["jobs"] += [job("fifo.lockstep", "failed", 2) | {"detected_ps": 50}]
    write(whole, "regress", document)
    items = items_of(read_facts(whole))
    assert items["Runs"].state is items["Testpoints"].state is State.FAILED
    assert [link.text.split(":")[4] for link in items["Runs"].links] == ["2", "3"], "the shortest first"
    assert {link.text for link in items["Testpoints"].links} >= {"fifo: order (failed)"}
    assert verdict_of(items.values()) is Verdict.FAILED
    assert sentence_of(list(items.values())) == "failed: runs, testpoints"


def test_a_crash_leaves_the_runs_open(whole: Path) -> None:
    document = json.loads((whole / "regress.json").read_text())
    document["jobs"].append(job("fifo.lockstep", "crashed", 3))
    write(whole, "regress", document)
    assert items_of(read_facts(whole))["Runs"].state is State.OPEN


def test_a_smoke_run_signs_nothing(whole: Path) -> None:
    change(whole, "regress", suite="smoke")
    items = items_of(read_facts(whole))
    assert items["Suite"].state is State.OPEN
    assert items["Suite"].says == "There is smoke, and no whole run of nightly: no stage rests on that."


def test_uncommitted_changes_leave_the_commit_open(whole: Path) -> None:
    for name in ("regress", "coverage", "mutants", "formal", "gates"):
        change(whole, name, made=MADE | {"dirty": True})
    item = items_of(read_facts(whole))["Commit"]
    assert item.state is State.OPEN
    called = "regression nightly, code coverage, mutants, formal, gates"
    assert item.says == f"Made with uncommitted changes: {called}."


def test_what_was_not_run_is_open(whole: Path) -> None:
    for name, field in (("mutants", "mutants"), ("formal", "proofs"), ("gates", "results")):
        change(whole, name, **{field: []})
    items = items_of(read_facts(whole))
    lacking = {name for name, item in items.items() if item.state is State.OPEN}
    assert lacking == {"Testpoints", "Mutants", "Proofs", "Gate level"}
    assert verdict_of(items.values()) is Verdict.OPEN


def test_what_is_of_other_sources_is_open(whole: Path) -> None:
    change(whole, "regress", sources="other")
    change(whole, "mutants", made_from="other")
    item = items_of(read_facts(whole))["Sources"]
    assert (item.state, item.says) == (State.OPEN, "Of sources that have changed since: regress, mutants.")


def test_what_fails_beside_the_runs(whole: Path) -> None:
    """A goal that is missed, a surviving mutant, a proof, a netlist: each marks its unit too."""
    coverage = json.loads((whole / "coverage.json").read_text())
    sentence = "fifo, tiny: line 12.0 % of 50 points, goal 99 %"
    write(whole, "coverage", coverage | {"shortfalls": [sentence]})
    mutants = json.loads((whole / "mutants.json").read_text())
    mutants["mutants"][0]["status"] = "survived"
    write(whole, "mutants", mutants)
    gates = json.loads((whole / "gates.json").read_text())
    gates["results"][0]["verdict"] = "failed"
    write(whole, "gates", gates)
    formal = json.loads((whole / "formal.json").read_text())
    formal["proofs"][0] |= {"verdict": "failed", "outcome": "failed"}
    write(whole, "formal", formal)
    facts = read_facts(whole)
    items = items_of(facts)
    assert {name for name, item in items.items() if item.state is State.FAILED} == {
        "Testpoints",
        "Code coverage",
        "Mutants",
        "Proofs",
        "Gate level",
    }
    assert items["Code coverage"].links[0].text == sentence
    wrong = {row.unit: row.wrong for row in facts.units if row.wrong}
    assert {what for found in wrong.values() for what in found} == {
        "1 proof",
        "1 mutant",
        "1 bench on a netlist",
        "1 goal of code coverage",
    }


def test_waivers(whole: Path) -> None:
    """They are counted and led to; one that no judgement stands behind leaves the item open."""
    facts = read_facts(whole)
    for standing in Standing:
        row = WaiverRow("fifo", "toggle", 1, "level", "constant", "It is wired to 0, as the page says.", "1", standing)
        items = items_of(replace(facts, waivers=[row]))
        assert items["Waivers"].state is (State.WAIVED if standing is Standing.STANDS else State.OPEN)
        assert items["Code coverage"].state is State.WAIVED
        assert items["Waivers"].links[0].page == "waivers.html"
        assert standing is Standing.STANDS or standing in items["Waivers"].says
