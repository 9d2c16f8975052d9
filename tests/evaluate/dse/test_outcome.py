"""What a sweep comes to, from records whose sums are worked by hand."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.results import write_json
from penni_escalate.evaluate.dse import outcome as outcome_module
from penni_escalate.evaluate.dse.fronts import Front
from penni_escalate.evaluate.dse.outcome import Costed, Outcome, compare, cost, outcome_of, read_outcome
from penni_escalate.evaluate.dse.store import Record
from penni_escalate.evaluate.dse.tables import ablations_table, fronts_table, series_tables
from penni_escalate.golden.energy import read_energy_table
from tests.evaluate.dse.records import counts, sweep_in

WORKLOADS = ("digits", "vgg16-cifar")
#: By changes: cycles and energy on digits, on vgg16-cifar; gates.
NUMBERS = {
    "": ((100, 40), (400, 90), 1000),
    "ring 1": ((50, 10), (50, 10), 100),
    "lookahead 0": ((200, 40), (400, 90), 800),
    "lookahead 1": ((50, 80), (200, 90), 1500),
    "lookahead 4": ((100, 40), (400, 90), 1200),
}


def record(workload: str, cycles: int, energy: int) -> Record:
    return Record(workload, cycles, counts(energy), 0.0)


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """The outcome of ``NUMBERS``; no memories."""
    name, sweep = sweep_in(tmp_path)
    gates = {point.config: NUMBERS[point.changes][2] for point in sweep.points}
    monkeypatch.setattr(
        outcome_module, "area_of", lambda config: SimpleNamespace(ge=float(gates[config]), memory_bits=0)
    )
    points = []
    for point in sweep.points:
        digits, vgg, _ = NUMBERS[point.changes]
        records = {"digits": record("digits", *digits), "vgg16-cifar": record("vgg16-cifar", *vgg)}
        points.append(cost(point, records, read_energy_table()))
    costed = compare(points, WORKLOADS)
    return outcome_of(name, sweep, costed, drawn=["vgg16-cifar"], lost={}, whole=True)


def by_changes(outcome: Outcome) -> Mapping[str, Costed]:
    return {point.changes: point for point in outcome.points}


def test_relative_to_the_base(found: Outcome) -> None:
    """Without look-ahead: half as fast on one workload and as fast on the other: sqrt(0.5 * 1) = 0.7071.

    With a column of it: twice as fast on both, and twice and as much energy: sqrt(2 * 1) = 1.4142.
    """
    points = by_changes(found)
    base, none, one = (points[changes].relative for changes in ("", "lookahead 0", "lookahead 1"))
    assert base is not None and none is not None and one is not None
    assert (base.speed, base.area, base.energy) == pytest.approx((1, 1, 1))
    assert (none.speed, none.area, none.energy) == pytest.approx((0.7071, 0.8, 1), abs=1e-4)
    assert (one.speed, one.area, one.energy, one.per_area) == pytest.approx((2, 1.5, 1.4142, 2 / 1.5), abs=1e-4)


def test_fronts(found: Outcome) -> None:
    """Cycles (relative to the base: 1.414, 0.5, 1, 1), areas (0.8, 1.5, 1, 1.2), energies (1, 1.414, 1, 1) of the
    points that can be built. Cycles and area: the fourth, look-ahead 4, is as fast as the base and larger. Cycles and
    energy: the first is slower than the base with as much energy; look-ahead 4 equals the base. Cycles x area: 1.131,
    0.75, 1, 1.2; energy: 1, 1.414, 1, 1: the base and look-ahead 1. What would better all, ring 1, cannot be built.
    """
    fronts = {changes: set(point.fronts) for changes, point in by_changes(found).items()}
    assert fronts == {
        "": {Front.AREA, Front.ENERGY, Front.PRODUCT},
        "ring 1": set(),
        "lookahead 0": {Front.AREA},
        "lookahead 1": {Front.AREA, Front.ENERGY, Front.PRODUCT},
        "lookahead 4": {Front.ENERGY},
    }
    assert [point.changes for point in found.front(Front.AREA)] == ["lookahead 0", "", "lookahead 1"]
    assert by_changes(found)["ring 1"].model_only


def test_fronts_of_a_workload(found: Outcome) -> None:
    """On vgg16-cifar look-ahead 0 takes the base's 400 cycles and its energy, on less area."""
    points = by_changes(found)
    assert Front.AREA in points["lookahead 0"].workloads["vgg16-cifar"].fronts
    assert Front.AREA not in points[""].workloads["vgg16-cifar"].fronts
    assert Front.AREA in points[""].workloads["digits"].fronts


def test_memories_count_as_area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bit as half a gate equivalent: 300 + 0.5 * 1,000 = 800."""
    monkeypatch.setattr(outcome_module, "area_of", lambda config: SimpleNamespace(ge=300.0, memory_bits=1000))
    _, sweep = sweep_in(tmp_path)
    assert cost(sweep.points[0], {}, read_energy_table()).area == 800


def test_energy_with_and_without_dram(found: Outcome) -> None:
    """40 pJ of additions, and a byte of DRAM, 200 pJ."""
    base = by_changes(found)[""].workloads["digits"]
    assert (base.on_chip, base.energy) == pytest.approx((40, 240))


def test_a_point_that_cannot_run_a_workload_is_compared_with_none(tmp_path: Path) -> None:
    _, sweep = sweep_in(tmp_path)
    energies = read_energy_table()
    good = {name: record(name, 10, 1) for name in WORKLOADS}
    bad = {**good, "digits": Record("digits", 0, counts(0), 0.0, "layer 'a': basis is 6, rows allows 5")}
    points = [cost(point, bad if point.changes == "lookahead 1" else good, energies) for point in sweep.points]
    unable = next(point for point in compare(points, WORKLOADS) if point.changes == "lookahead 1")
    assert unable.relative is None
    assert unable.fronts == ()
    assert unable.cannot_run == {"digits": "layer 'a': basis is 6, rows allows 5"}
    with pytest.raises(UserError, match=r"cannot be compared with on workload 'digits': layer 'a': basis is 6"):
        compare([cost(sweep.points[0], bad, energies)], WORKLOADS)
    with pytest.raises(UserError, match=r"on workload 'digits': it was not counted\."):
        compare([cost(sweep.points[0], {}, energies)], WORKLOADS)


def test_an_outcome_is_read_back(found: Outcome, tmp_path: Path) -> None:
    path = write_json(tmp_path / "dse.json", {"tools": {}, **found.as_json()})
    assert read_outcome(path) == found
    document = json.loads(path.read_text())
    assert document["points"][0]["area"] == 1000
    for damage in ("{}", "not JSON", json.dumps({**document, "points": [1]})):
        path.write_text(damage)
        with pytest.raises(UserError, match="holds no outcome of a sweep"):
            read_outcome(path)
    with pytest.raises(UserError, match=r"is not there: make it with .*penni-escalate dse"):
        read_outcome(tmp_path / "none.json")


def test_tables_mark_what_only_the_model_has(found: Outcome) -> None:
    (label,) = ablations_table(found).columns[0].cells
    assert label == "ring of 1 (model only)"
    (series,) = series_tables(found)
    assert list(series.columns[0].cells) == ["tiny, as it is", "lookahead 0", "lookahead 1", "lookahead 4"]
    assert list(series.columns[1].cells) == ["1.00", "0.71", "2.00", "1.00"]
    assert "(drawn)" in str(series.columns[-1].header) and "(drawn)" not in str(series.columns[-2].header)
    fronts = fronts_table(found)
    assert list(fronts.columns[0].cells) == ["lookahead 0", "tiny, as it is", "lookahead 4", "lookahead 1"]
    assert list(fronts.columns[-1].cells) == ["A", "A E P", "E", "A E P"]
    assert list(fronts.columns[-2].cells) == ["-"] * 4, "digits-95 was not counted"


def test_plots(found: Outcome) -> None:
    from penni_escalate.evaluate.dse.plots import plots

    made = {plot.name: plot for plot in plots(found)}
    assert list(made) == ["dse-area", "dse-energy", "dse-ablations", "dse-series-0"]
    assert "vgg16-cifar (drawn)" in made["dse-area"].caption
    assert "model only" in made["dse-area"].svg
    assert "On the front: 1: lookahead 0; 2: tiny, as it is; 3: lookahead 1." in made["dse-area"].caption
    assert ">3<" in made["dse-area"].svg and "speed, tiny = 1" in made["dse-area"].svg
    assert "(model only)" in made["dse-ablations"].svg
    assert all(number in made["dse-series-0"].svg for number in ("0.71", "2.00", "1.41"))
