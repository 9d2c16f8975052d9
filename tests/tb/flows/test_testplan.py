"""Testplans: what is wrong in one is said in a sentence, and stages follow from the results."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.common.units import UNITS
from penni_escalate.tb.base.coverage import load_model
from penni_escalate.tb.flows.catalog import catalog
from penni_escalate.tb.flows.formal.declarations import all_proofs
from penni_escalate.tb.flows.testplan import (
    Campaign,
    Evidence,
    Stage,
    Status,
    Testplan,
    check_names,
    read_testplan,
    stage_reached,
    status_of,
    unplanned,
)

POINT = {
    "name": "order",
    "stage": "V1",
    "goal": "Entries leave in order.",
    "stimulus": "Random words.",
    "check": "Against a queue.",
    "tests": ["fifo.lockstep"],
    "coverage": ["full"],
}


def plan(tmp_path: Path, *points: dict[str, Any], **fields: Any) -> Path:
    """A testplan's file."""
    path = tmp_path / "fifo" / "testplan.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        yaml.safe_dump({"unit": "fifo", "summary": "A queue.", "testpoints": list(points or [POINT])} | fields)
    )
    return path


def read(tmp_path: Path, *points: dict[str, Any], **fields: Any) -> Testplan:
    plan(tmp_path, *points, **fields)
    return read_testplan("fifo", tmp_path)


# ---- reading -------------------------------------------------------------------------------------


def test_a_testplan_is_read(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.unit == "fifo"
    assert [(point.name, point.stage, point.tests) for point in found.testpoints] == [
        ("order", Stage.V1, ("fifo.lockstep",))
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"owner": "me"}, r"field 'testpoints\.0\.owner' is not known"),
        ({"stage": "V4"}, r"field 'testpoints\.0\.stage' is 'V4'"),
        ({"goal": "entries leave in order"}, r"field 'testpoints\.0\.goal' is 'entries leave in order'"),
        ({"name": "In order"}, r"field 'testpoints\.0\.name' is 'In order'"),
        ({"tests": []}, r"field 'testpoints\.0': testpoint 'order' names no test, no proof and no campaign"),
        ({"campaigns": ["faults"]}, r"field 'testpoints\.0\.campaigns\.0' is 'faults'"),
        ({"tests": "fifo.lockstep"}, r"field 'testpoints\.0\.tests' is 'fifo\.lockstep'"),
    ],
)
def test_a_wrong_testpoint_is_refused(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^Testplan .*fifo/testplan\.yaml: {problem}"):
        read(tmp_path, POINT | change)


def test_a_missing_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"field 'testpoints\.0\.check' is missing"):
        read(tmp_path, {name: value for name, value in POINT.items() if name != "check"})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"owner": "me"}, "field 'owner' is not known"),
        ({"unit": "row"}, "field 'unit' is 'row': it must be 'fifo'"),
        ({"testpoints": []}, r"field 'testpoints' is \[\]"),
        ({"testpoints": [POINT, POINT]}, "testpoint 'order' is there twice"),
    ],
)
def test_a_wrong_testplan_is_refused(fields: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=problem):
        read(tmp_path, **fields)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Testplan .* cannot be read: No such file"):
        read_testplan("fifo", tmp_path)
    path = plan(tmp_path)
    path.write_text("- order: [")
    with pytest.raises(UserError, match="is not YAML"):
        read_testplan("fifo", tmp_path)


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"tests": ["fifo.lockstop"]},
            "'order' names test 'fifo.lockstop', which is not there: use one of fifo.lockstep",
        ),
        ({"proofs": ["fifo.order"]}, "'order' names proof 'fifo.order', which is not there: use one of none"),
        ({"coverage": ["fuller"]}, "'order' names coverage item 'fuller', which is not there: use one of empty, full"),
    ],
)
def test_unknown_names_are_refused(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    check_names(read(tmp_path), {"fifo.lockstep"}, (), {"empty", "full"})
    with pytest.raises(UserError, match=problem):
        check_names(read(tmp_path, POINT | change), {"fifo.lockstep"}, (), {"empty", "full"})


def test_tests_without_a_testpoint_are_found(tmp_path: Path) -> None:
    points = read(tmp_path).testpoints
    assert unplanned(points, {"fifo.lockstep"}) == ()
    assert unplanned(points, {"fifo.lockstep", "row.lockstep", "fifo.burst"}) == ("fifo.burst", "row.lockstep")


# ---- results -------------------------------------------------------------------------------------


#: What a proof or campaign came to, and the testpoint with it, where all else of it passed.
COUNTS = (
    (Status.PASSED, Status.PASSED),
    (Status.FAILED, Status.FAILED),
    (Status.NOT_RUN, Status.PARTLY),
)


def evidence(lockstep: Status, *covered: str, burst: Status = Status.NOT_RUN) -> Evidence:
    return Evidence({"fifo.lockstep": lockstep, "fifo.burst": burst}, {}, covered)


def test_a_testpoint_passes_with_its_tests_and_its_coverage(tmp_path: Path) -> None:
    (point,) = read(tmp_path).testpoints
    assert status_of(point, evidence(Status.PASSED, "full")) is Status.PASSED
    assert status_of(point, evidence(Status.PASSED, "empty")) is Status.HOLES, "it ran: that is not the same as not run"
    assert status_of(point, evidence(Status.NOT_RUN, "full")) is Status.NOT_RUN
    assert status_of(point, evidence(Status.FAILED)) is Status.FAILED
    assert status_of(point, Evidence({}, {}, ("full",))) is Status.NOT_RUN


def test_a_proof_counts_like_a_test(tmp_path: Path) -> None:
    (point,) = read(tmp_path, POINT | {"proofs": ["fifo.order"]}).testpoints
    passed = evidence(Status.PASSED, "full")
    assert status_of(point, passed) is Status.PARTLY
    for status, whole in COUNTS:
        assert status_of(point, Evidence(passed.tests, {"fifo.order": status}, passed.covered)) is whole


def test_a_campaign_counts_like_a_test(tmp_path: Path) -> None:
    (point,) = read(tmp_path, POINT | {"campaigns": ["mutants"]}).testpoints
    passed = evidence(Status.PASSED, "full")
    assert status_of(point, passed) is Status.PARTLY
    for status, whole in COUNTS:
        assert status_of(point, replace(passed, campaigns={Campaign.MUTANTS: status})) is whole
        other = replace(passed, campaigns={Campaign.GATES: status})
        assert status_of(point, other) is Status.PARTLY


def test_a_stage_is_reached_with_all_before_it(tmp_path: Path) -> None:
    second = POINT | {"name": "bursts", "stage": "V2", "tests": ["fifo.burst"], "coverage": []}
    whole = read(tmp_path, POINT, second)
    assert stage_reached(whole, evidence(Status.NOT_RUN, "full")) is None
    assert stage_reached(whole, evidence(Status.PASSED)) is None
    assert stage_reached(whole, evidence(Status.PASSED, "full")) is Stage.V1
    assert stage_reached(whole, evidence(Status.PASSED, "full", burst=Status.FAILED)) is Stage.V1
    # Without testpoints of V3 it ends at V2.
    assert stage_reached(whole, evidence(Status.PASSED, "full", burst=Status.PASSED)) is Stage.V2
    # V2 alone is not enough.
    assert stage_reached(whole, evidence(Status.FAILED, "full", burst=Status.PASSED)) is None


# ---- the project's testplans ---------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_has_a_testplan(unit: str) -> None:
    """It names tests and coverage items that are there, and every coverage item of the unit."""
    found = read_testplan(unit)
    proofs = {proof.full_name for proof in all_proofs()}
    items = {item.name for item in load_model(unit).items}
    check_names(found, catalog(), proofs, items)
    assert items == {name for point in found.testpoints for name in point.coverage}
    assert set(Stage) == {point.stage for point in found.testpoints}
    assert set(Campaign) == {campaign for point in found.testpoints for campaign in point.campaigns}


def test_every_proof_is_planned() -> None:
    planned = {name for unit in UNITS for point in read_testplan(unit).testpoints for name in point.proofs}
    assert planned == {proof.full_name for proof in all_proofs()}


def test_every_test_is_planned() -> None:
    points = [point for unit in UNITS for point in read_testplan(unit).testpoints]
    assert unplanned(points, catalog()) == ()
