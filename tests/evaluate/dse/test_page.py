"""The page on the design space: its figures of a workload are what the model counts."""

import re

import pytest

from penni_escalate.common.paths import ROOT
from penni_escalate.evaluate.dse.counting import count_workload
from penni_escalate.evaluate.dse.model_only import changed
from penni_escalate.evaluate.dse.sweep import load_sweep

PAGE = (ROOT / "docs" / "design_space.md").read_text()
FULL = load_sweep("full").base


def column(changes: str, workload: str) -> str:
    """What the page's first table of a configuration has under a workload."""
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]
        for row in rows:
            if row[0] == changes and workload in rows[0]:
                return row[rows[0].index(workload)]
    raise AssertionError(f"{changes} is not on the page")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ("adders 4", {"adders": 4}),
        ("ring 1 (model only)", {"ring": 1}),
        ("out_lanes 8", {"out_lanes": 8}),
        ("no dilution, model only", {"dilution": False}),
    ],
)
def test_a_speed_of_the_page(changes: str, fields: dict[str, int | bool]) -> None:
    cycles = count_workload(FULL, "digits")[0]
    assert f"{cycles:,} for `digits`" in PAGE
    assert column(changes, "digits") == f"{cycles / count_workload(changed(FULL, fields), 'digits')[0]:.2f}"


def test_every_point_of_a_series_and_every_ablation_is_on_the_page() -> None:
    sweep = load_sweep("full")
    labels = {row.split("|")[1].strip() for row in PAGE.splitlines() if row.startswith("|")}
    for name in sweep.entry.ablations:
        assert {name, f"{name}, model only"} & labels, name
    for point in sweep.points:
        if any(place.startswith("series") for place in point.found_in):
            assert {point.changes, f"{point.changes} (model only)"} & labels, point.changes
