"""Functional coverage: models that are wrong are refused, counts add up, and a hole is reported."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.coverage import (
    Collector,
    CoverageModel,
    Cross,
    Ignored,
    Point,
    cover_point,
    load_model,
    merge,
)
from penni_escalate.tb.base.geometry_classes import SIDES, GeometryDeck, classes_of, kernels_of
from penni_escalate.tb.base.geometry_cross import IMPOSSIBLE_KERNELS
from penni_escalate.tb.flows.coverage_plan import main as write_plan

TINY = load_accelerator("tiny")
EIGHT = load_accelerator("configs/shapes/eight.yaml")

LEVEL = Point("level", "A queue has ends.", ("empty", "some", "full"))
THROTTLE = Point("throttle", "Both ends stall.", ("free", "stalled"))
CROSS = Cross(
    "level and throttle",
    "A full queue must stop its source.",
    ("level", "throttle"),
    (Ignored(("full", "free"), "a free drain empties it."),),
)
MODEL = CoverageModel("queue", (cover_point("wrap", "Counters turn around."), LEVEL, THROTTLE, CROSS))


def written(path: Path, model: CoverageModel = MODEL, **hits: str) -> Path:
    """A coverage file of one sample."""
    collector = Collector(model, TINY)
    collector.sample(hits)
    collector.write(path)
    return path


# ---- models --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ((LEVEL, LEVEL), "'level' is there twice"),
        ((replace(LEVEL, why="a queue has ends"),), "reason of 'level' is no sentence"),
        ((replace(LEVEL, bins=("empty", "empty")),), "a bin of 'level' is there twice"),
        ((replace(LEVEL, only={"over": lambda config: True}),), "restricts a bin that it does not have"),
        ((LEVEL, CROSS), "names 'throttle', which is no point"),
        ((LEVEL, THROTTLE, replace(CROSS, ignored=(Ignored(("over", None), "no."),))), "has no .* to ignore"),
    ],
)
def test_a_wrong_model_is_refused(items: tuple[Point | Cross, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        CoverageModel("queue", items)


def test_a_cross_has_every_combination_that_can_be() -> None:
    assert MODEL.bins(CROSS) == (
        ("empty", "free"),
        ("empty", "stalled"),
        ("some", "free"),
        ("some", "stalled"),
        ("full", "stalled"),
    )


def test_bins_that_only_some_configurations_have() -> None:
    wide = lambda config: config.taps > 1  # noqa: E731
    ignored = Ignored(("all", "stalled"), "one tap never waits.", lambda config: config.taps == 1)
    taps = Point("taps", "Several columns at once.", ("one", "all"), only={"one": wide})
    model = CoverageModel("queue", (taps, THROTTLE, Cross("both", "Masks.", ("taps", "throttle"), (ignored,))))
    assert model.all_bins(TINY) == ("taps/all", "throttle/free", "throttle/stalled", "both/all x free")
    assert model.all_bins(EIGHT) == model.all_bins()
    assert len(model.all_bins()) == 8
    with pytest.raises(KeyError):
        Collector(model, TINY).sample({"taps": "one"})


# ---- sampling ------------------------------------------------------------------------------------


def test_a_sample_counts_points_and_their_crosses() -> None:
    collector = Collector(MODEL, TINY)
    collector.sample({"level": "some"})
    collector.sample({"level": "some", "throttle": "free"})
    counts = collector.counts
    assert (counts["level/some"], counts["throttle/free"], counts["level and throttle/some x free"]) == (2, 1, 1)
    assert sum(counts.values()) == 4


def test_an_unknown_point_or_bin_is_refused() -> None:
    collector = Collector(MODEL, TINY)
    for hits in ({"depth": "some"}, {"level": "half"}):
        with pytest.raises(KeyError):
            collector.sample(hits)
    with pytest.raises(KeyError):
        collector.met("level")


def test_what_cannot_be_must_not_be_met() -> None:
    with pytest.raises(ValueError, match="level and throttle/full x free was met: it cannot be, a free drain"):
        Collector(MODEL, TINY).sample({"level": "full", "throttle": "free"})


def test_a_run_lacks_its_situations_until_they_are_met() -> None:
    collector = Collector(MODEL, TINY)
    assert collector.lacking() == ["wrap/met"]
    assert collector.lacking("throttle") == ["wrap/met", "throttle/free", "throttle/stalled"]
    collector.met("wrap", False)
    assert collector.lacking() == ["wrap/met"]
    collector.met("wrap")
    assert collector.lacking() == []


# ---- merging -------------------------------------------------------------------------------------


def test_counts_add_up_and_a_hole_is_reported(tmp_path: Path) -> None:
    files = [
        written(tmp_path / "a.json", level="empty", throttle="free"),
        written(tmp_path / "b.json", level="empty", throttle="stalled"),
    ]
    found = merge(MODEL, files)
    assert found.counts["level/empty"] == 2
    assert (found.hit, found.total) == (5, 11)
    assert found.holes == (
        "wrap/met",
        "level/some",
        "level/full",
        "level and throttle/some x free",
        "level and throttle/some x stalled",
        "level and throttle/full x stalled",
    )


def test_counts_of_another_model_are_refused(tmp_path: Path) -> None:
    other = CoverageModel("queue", (LEVEL, THROTTLE))
    path = written(tmp_path / "old.json", other, level="empty")
    with pytest.raises(UserError, match=r"old\.json is of another model of 'queue' than the coverage\.py of"):
        merge(MODEL, [path])
    with pytest.raises(UserError, match="of another model of 'queue'"):
        merge(replace(MODEL, unit="stack"), [written(tmp_path / "new.json", level="empty")])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unit": "queue"}'])
def test_a_file_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(UserError, match=r"broken\.json is no coverage file: remove the folder of its run"):
        merge(MODEL, [tmp_path / "broken.json"])
    with pytest.raises(UserError, match="is no coverage file"):
        merge(MODEL, [tmp_path / "missing.json"])


def test_a_file_holds_what_was_counted(tmp_path: Path) -> None:
    held = json.loads(written(tmp_path / "a.json", level="empty").read_text())
    assert held["unit"] == "queue"
    assert held["counts"]["level/empty"] == 1
    assert set(held["counts"]) == set(MODEL.all_bins())


# ---- the project's models ------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_has_a_model(unit: str) -> None:
    model = load_model(unit)
    assert model.unit == unit
    assert not [item.name for item in model.items if "It happens in use" in item.why]
    assert set(model.all_bins(TINY)) <= set(model.all_bins())


@pytest.mark.parametrize("name", ["tiny", "small", "full", "configs/shapes/eight.yaml"])
def test_impossible_kernels_are_those_that_no_configuration_runs(name: str) -> None:
    config = load_accelerator(name)
    model = load_model("basis_mac")
    cross = Cross("geometry", "Together.", ("kernel", "stride", "padding"), IMPOSSIBLE_KERNELS)
    points = tuple(model.points[point] for point in cross.points)
    assert set(CoverageModel("geometry", (*points, cross)).bins(cross, config)) == set(kernels_of(config))


@pytest.mark.parametrize("name", ["tiny", "small", "configs/shapes/eight.yaml"])
def test_a_deck_deals_every_class_of_geometry(name: str) -> None:
    config = load_accelerator(name)
    rng, deck = np.random.default_rng(1), GeometryDeck(config)
    drawn = [deck.draw(rng, 60) for _ in kernels_of(config)]
    classes = [classes_of(g) for g in drawn]
    kernels = {(c["kernel"], c["stride"], c["padding"]) for c in classes}
    assert kernels == set(kernels_of(config))
    assert all(max(g.width, g.out_width) <= config.width_max for g in drawn)
    more = [classes_of(deck.draw(rng, 60)) for _ in range(300)]
    assert {c["padding sides"] for c in more} == set(SIDES)
    assert {(c["kernel"], c["stride"], c["padding"]) for c in more} <= kernels


def test_the_plan_is_written(tmp_path: Path) -> None:
    write_plan(["--out", str(tmp_path)], standalone_mode=False)
    for unit in UNITS:
        assert (tmp_path / f"{unit}.md").read_text().startswith(f"# Coverage plan of {unit}\n")
