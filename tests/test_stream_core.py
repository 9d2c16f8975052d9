"""The stream core on random layers, in values, cycles, z and counters. That faults show: test_mutants.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.results import BUILD
from configs.accelerator import load_accelerator
from tb.random_run import random_run
from tb.simulator import Design, Simulator, build
from tb.stream_run import Prediction, compare, describe, predict, run_batch, stream_design

#: Seeds a run takes: (configuration, simulator, first seed, how many).
RUNS = [
    ("tiny", Simulator.ICARUS, 0, 16),
    ("tiny", Simulator.VERILATOR, 100, 150),
    ("small", Simulator.VERILATOR, 1000, 60),
]


def design_of(name: str, folder: Path = BUILD / "rtl") -> Design:
    return stream_design(load_accelerator(name), folder / name)


@pytest.mark.parametrize(("name", "simulator", "first", "count"), RUNS)
def test_random_layers_agree(name: str, simulator: Simulator, first: int, count: int) -> None:
    """Even seeds free-running, odd seeds under a recorded stall pattern; passes of several layers back to back."""
    config = load_accelerator(name)
    design = design_of(name)
    build(design, simulator)
    predictions = [predict(config, random_run(seed, config)) for seed in range(first, first + count)]
    folder = BUILD / "work" / f"random_{name}_{simulator}"
    outcome, comparisons = run_batch(design, simulator, predictions, folder, seed=1)
    assert (outcome.tests, outcome.failed) == (1, 0)
    for prediction, comparison in zip(predictions, comparisons, strict=True):
        report = "\n".join([prediction.run.name, *map(describe, comparison.differences)])
        assert comparison.ok, report
        assert comparison.z == prediction.trace.z.size, report
    assert sum(comparison.values for comparison in comparisons) > 5000


def test_several_output_groups_a_pixel_agree(tmp_path: Path) -> None:
    """In every preset a pixel has one output group, BLOCKS being GROUP."""
    config = replace(load_accelerator("tiny"), name="two_groups", blocks=8, rows=3)
    design = stream_design(config, BUILD / "rtl" / config.name)
    build(design, Simulator.ICARUS)
    predictions = [predict(config, random_run(seed, config)) for seed in range(6)]
    _, comparisons = run_batch(design, Simulator.ICARUS, predictions, tmp_path, seed=1)
    assert not [describe(difference) for comparison in comparisons for difference in comparison.differences]
    assert all(comparison.ok for comparison in comparisons)


def short_prediction(seed: int) -> Prediction:
    config = load_accelerator("tiny")
    return predict(config, random_run(seed, config))


def test_a_comparison_of_nothing_fails(tmp_path: Path) -> None:
    """A simulation that recorded nothing is not a pass."""
    comparison = compare(load_accelerator("tiny"), short_prediction(2), tmp_path)
    assert not comparison.ok
    assert comparison.values == 0
    assert any(difference.what == "groups" for difference in comparison.differences)


def test_every_kind_of_difference_is_reported(tmp_path: Path) -> None:
    """A recorded run in which one value, one cycle and one counter are changed by hand."""
    config = load_accelerator("tiny")
    prediction = short_prediction(2)
    design = design_of("tiny")
    build(design, Simulator.ICARUS)
    _, (clean,) = run_batch(design, Simulator.ICARUS, [prediction], tmp_path, seed=1)
    assert clean.ok
    folder = tmp_path / f"000_{prediction.run.name}"
    lines = (folder / "output.txt").read_text().splitlines()
    full = next(n for n in range(len(lines)) if prediction.trace.outputs[n].all())
    cycle, bits, values, eop, last = lines[full].split()
    changed = f"{int(values, 16) ^ 1 << 8:0{len(values)}x}"
    lines[full] = f"{int(cycle) + 1} {bits} {changed} {eop} {last}"
    (folder / "output.txt").write_text("\n".join(lines))
    counters = (folder / "counters.json").read_text()
    (folder / "counters.json").write_text(counters.replace('"unknown": 0', '"unknown": 1'))
    found = compare(config, prediction, folder)
    assert {difference.what for difference in found.differences} == {"value", "cycle", "run"}
    value = next(difference for difference in found.differences if difference.what == "value")
    assert value.place[3] % config.group == 1
    assert value.got == int(prediction.trace.outputs[full, 1]) ^ 1
    assert np.array_equal(np.delete(found.outputs, full, 0), np.delete(prediction.trace.outputs, full, 0))
