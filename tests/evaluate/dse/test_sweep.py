"""Sweeps: which points a file makes, what is skipped, and what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.evaluate.dse.store import config_digest
from penni_escalate.evaluate.dse.sweep import load_sweep, sweep_names
from penni_escalate.golden.workloads import load_workload

OWN: dict[str, Any] = {"base": "tiny", "workloads": ["digits"]}


def own(folder: Path, **fields: Any) -> str:
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({**OWN, **fields}, sort_keys=False))
    return str(path)


@pytest.mark.parametrize("name", sweep_names())
def test_sweeps_that_ship(name: str) -> None:
    sweep = load_sweep(name)
    assert len({config_digest(point.config) for point in sweep.points}) == len(sweep.points)
    assert not sweep.skipped
    for workload in (*sweep.entry.workloads, *sweep.entry.on_front):
        load_workload(workload)
    if name == "full":
        assert len(sweep.points) == 200


def test_points_of_a_sweep(tmp_path: Path) -> None:
    """The base; one that an ablation and a series share; two more of the series; what breaks a rule is named."""
    sweep = load_sweep(
        own(
            tmp_path,
            ablations={"no look-ahead": {"lookahead": 0}},
            series={"window": [{"lookahead": 0}, {"lookahead": 1}, {"lookahead": 9}], "ring": [{"ring": 1}]},
        )
    )
    assert [(point.changes, point.found_in) for point in sweep.points] == [
        ("", ("base",)),
        ("lookahead 0", ("ablation: no look-ahead", "series: window")),
        ("lookahead 1", ("series: window",)),
        ("ring 1", ("series: ring",)),
    ]
    assert [point.changes for point in sweep.members("series: window")] == ["lookahead 0", "lookahead 1"]
    assert list(sweep.skipped) == ["lookahead 9"]
    assert "field 'lookahead' is 9" in sweep.skipped["lookahead 9"]


def test_a_sample(tmp_path: Path) -> None:
    """All six configurations that obey the rule, each once; what breaks it is counted, not hidden.

    Of the pairs of 1, 2, 4 those obey it whose first is a multiple of the second; (2, 1) is the base itself.
    """
    values = {"lanes": [1, 2, 4], "adders": [1, 2, 4]}
    sample = {"points": 6, "seed": 3, "fields": values}
    sweep = load_sweep(own(tmp_path, sample=sample))
    drawn = [point.config for point in sweep.points if "sample" in point.found_in]
    assert len({(config.lanes, config.adders) for config in drawn}) == 6
    assert all(config.lanes % config.adders == 0 for config in drawn)
    assert set(sweep.skipped_in_sample) == {"lanes: it must be a multiple of adders"}
    assert sum(sweep.skipped_in_sample.values()) > 0
    again = load_sweep(own(tmp_path, sample=sample))
    assert again.points == sweep.points
    other = load_sweep(own(tmp_path, sample={**sample, "seed": 4}))
    assert other.points != sweep.points


def test_a_sample_spreads_evenly(tmp_path: Path) -> None:
    """32 of 15 * 8 pairs: every value of taps comes 4 times, every three neighbouring ones of psum_lines 6.4 times."""
    values = {"psum_lines": list(range(2, 17)), "taps": list(range(1, 9))}
    sweep = load_sweep(own(tmp_path, sample={"points": 32, "seed": 1, "fields": values}))
    drawn = [point.config for point in sweep.points if "sample" in point.found_in]
    taps = [sum(config.taps == value for config in drawn) for value in range(1, 9)]
    lines = [sum(first <= config.psum_lines < first + 3 for config in drawn) for first in range(2, 17, 3)]
    assert len(drawn) == 32
    assert all(2 <= count <= 6 for count in taps), taps
    assert all(4 <= count <= 9 for count in lines), lines


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"speed": 1}, "field 'speed' is not known"),
        ({"base": "huge"}, "Configuration 'huge' is not known: use one of full, small, tiny"),
        ({"workloads": []}, "field 'workloads' is "),
        ({"workloads": ["digits", "digits"]}, "field 'workloads' has 'digits' twice"),
        ({"on_front": ["digits"]}, "field 'on_front' has 'digits', which every configuration runs"),
        (
            {"series": {"a": [{"wings": 2}]}},
            r"field 'series\.a' has 'wings', which no configuration has: use clusters, blocks,",
        ),
        ({"ablations": {"a": {"wings": 2}}}, r"field 'ablations\.a' has 'wings', which no configuration has"),
        ({"ablations": {"a": {"ring": 3}}}, "ablation 'a' cannot be built: .*field 'ring' is 3: it must be a power"),
        ({"series": {"a": [{"ring": 3}, {"ring": 5}]}}, "series 'a' has no value that can be built: .*'ring' is 3"),
        ({"series": {"a": [{"ring": "two"}]}}, r"field 'series\.a\.0\.ring\.\w+' is 'two'"),
        ({"sample": {"points": 2, "seed": 1, "fields": {"wings": [1]}}}, r"'sample\.fields' has 'wings'"),
        ({"sample": {"points": 2, "seed": 1, "fields": {"ring": [3]}}}, "its values make only 0 configurations"),
    ],
)
def test_what_is_wrong_with_a_sweep(fields: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=problem) as error:
        load_sweep(own(tmp_path, **fields))
    assert str(error.value).endswith(".")


def test_a_sweep_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Sweep 'own' is not known: use one of .*full.*, or the path of a \.yaml file"):
        load_sweep("own")
    with pytest.raises(UserError, match=r"Sweep .*own\.yaml cannot be read"):
        load_sweep(str(tmp_path / "own.yaml"))
