"""The stream core on random layers, in values, cycles, z and counters. That faults show: test_mutants.py."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penni_escalate.common.paths import BUILD
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stream_core import CoreCounter
from penni_escalate.tb.base.simulator import Design, Simulator, build
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.stream_run import Prediction, compare, describe, predict, run_batch, stream_design

#: Seeds a run takes: (configuration, simulator, first seed, how many). Those of tiny are run by the suite smoke, which
#: `make test` runs too.
RUNS = [
    ("small", Simulator.VERILATOR, 1000, 60),
    # As many adders as preset full: compilers add that many comparisons as a vector.
    ("configs/shapes/whole_group.yaml", Simulator.VERILATOR, 2000, 12),
]


def design_of(name: str, folder: Path = BUILD / "rtl") -> Design:
    """Optimized as `make sim` has it: what is vectorized comes with that."""
    config = load_accelerator(name)
    return stream_design(config, folder / config.name, long_runs=True)


@pytest.mark.parametrize(("name", "simulator", "first", "count"), RUNS)
def test_random_layers_agree(name: str, simulator: Simulator, first: int, count: int) -> None:
    """Even seeds free-running, odd seeds under a recorded stall pattern; passes of several layers back to back."""
    config = load_accelerator(name)
    design = design_of(name)
    build(design, simulator)
    predictions = [predict(config, random_run(seed, config)) for seed in range(first, first + count)]
    folder = BUILD / "work" / f"random_{config.name}_{simulator}"
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


def change_z(path: Path, prediction: Prediction) -> list[str]:
    """Change the last twelve z that row 1 of block 2 wrote, and the cycle of the first; returns what must be said."""
    geometries = [p.geometry for p in prediction.run.passes]
    places = [(n, *divmod(pixel, g.width)) for n, g in enumerate(geometries) for pixel in range(g.height * g.width)]
    records = [line.split() for line in path.read_text().splitlines()]
    mine = [record for record in records if record[1:3] == ["2", "1"]]
    assert len(mine) == len(places) > 12
    for record in mine[-12:]:
        record[3] = str(int(record[3]) + 1)
    mine[0][0] = str(int(mine[0][0]) + 1)
    path.write_text("".join(" ".join(record) + "\n" for record in records))
    first = [("z", place) for place in places[-12:-4]] + [("z cycle", places[0])]
    return [f"{what} at pass {n}, block 2, row 1, input row {y}, column {x}" for what, (n, y, x) in first]


def test_every_kind_of_difference_is_reported(tmp_path: Path) -> None:
    """A recorded run in which one of each is changed by hand: what the core gives, what it counts, and z."""
    config = load_accelerator("tiny")
    prediction = short_prediction(6)
    prediction = replace(prediction, run=replace(prediction.run, trace_z=True))
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
    record = json.loads((folder / "counters.json").read_text())
    record["unknown"] = record["cores"][0]["left_by_clear"] = 1
    record["cores"][0]["blocks"][3][BlockCounter.DROPPED] += 1
    record["cores"][0]["core"][CoreCounter.BEATS] += 1
    (folder / "counters.json").write_text(json.dumps(record))
    changed_z = change_z(folder / "z.txt", prediction)
    found = compare(config, prediction, folder)
    said = [describe(difference) for difference in found.differences]
    assert {difference.what for difference in found.differences} == {"value", "cycle", "z", "z cycle", "run", "counter"}
    assert found.value_mismatches == 1 + 12 + 1, "a value, twelve z, X"
    assert found.cycle_mismatches == 1 + 1 + 3, "of an output, of a z, three counters"
    assert len(found.differences) == 1 + 1 + 8 + 1 + 1 + 3, "the first eight of a kind are kept"
    own = record["cores"][0]
    dropped, beats = own["blocks"][3][BlockCounter.DROPPED], own["core"][CoreCounter.BEATS]
    assert [line for line in said if line.startswith("counter")] == [
        "counter at the core after clearing: expected 0, got 1",
        f"counter at dropped of block 3: expected {dropped - 1}, got {dropped}",
        f"counter at beats: expected {beats - 1}, got {beats}",
    ]
    assert [line.partition(":")[0] for line in said if line.startswith("z")] == changed_z
    value = next(difference for difference in found.differences if difference.what == "value")
    assert value.place[3] % config.group == 1
    assert value.got == int(prediction.trace.outputs[full, 1]) ^ 1
    assert np.array_equal(np.delete(found.outputs, full, 0), np.delete(prediction.trace.outputs, full, 0))
