"""The stream core on random layers, in values, cycles, z and counters; and proof that the comparison notices."""

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


#: (file, text, replacement): deliberate faults of the core that the comparison must see.
FAULTS = [
    ("basis_mac.v", "factor_2_q <= walk_z_2_q;", "factor_2_q <= walk_z_1_q;"),
    ("basis_mac.v", "<< exponent[5:3]", "<< 0"),
    ("basis_mac.v", "wire drop = idle && ", "wire drop = 1'b0 && "),
    ("psum_lines.v", "closed_q <= (closed_q & ~drain_free_i) | close_i;", "closed_q <= 4'd0;"),
    ("psum_lines.v", "forward_0_q <= repeats_0;", "forward_0_q <= 1'b0;"),
    ("psum_lines.v", "if (rst_i || drain_free_i[1]) written_0_1_q", "if (rst_i) written_0_1_q"),
    ("concentration.v", "wire visible_1 = visible_0 && !eop_q[0];", "wire visible_1 = visible_0;"),
    ("row.v", "if (take && beat_last_i) bank_q <= !bank_q;", "if (1'b0) bank_q <= !bank_q;"),
    ("input_ring.v", "assign room_o = !(level_0[3] ||", "assign room_o = 1'b1 || !(level_0[3] ||"),
    ("feeder.v", "&& !group_eop_q;", ";"),
    ("requantize.v", "product_q + half", "product_q"),
    (
        "collector.v",
        "drain_free_o       = (advance && final_part) ? freeing",
        "drain_free_o       = (advance && final_part) ? 0 & freeing",
    ),
    ("stream_core.v", "assign load_ready_o = !running_q[1] && !both_pending;", "assign load_ready_o = 1'b1;"),
    ("sparsemap_encoder.v", "wire advance = !group_valid_q || group_ready_i;", "wire advance = 1'b1;"),
]


@pytest.mark.parametrize(("file", "text", "replacement"), FAULTS)
def test_a_fault_is_noticed(file: str, text: str, replacement: str, tmp_path: Path) -> None:
    config = load_accelerator("tiny")
    design = replace(design_of("tiny", tmp_path), folder=tmp_path / "sim")
    source = next(path for path in design.sources if path.name == file)
    original = source.read_text()
    assert text in original, "the fault's place is not in the Verilog any more"
    source.write_text(original.replace(text, replacement))
    build(design, Simulator.ICARUS)
    predictions = [short_prediction(seed) for seed in FAULT_SEEDS]
    _, comparisons = run_batch(design, Simulator.ICARUS, predictions, tmp_path / "work", seed=1)
    assert config == design.config
    assert not all(comparison.ok for comparison in comparisons), "no difference was noticed"


#: Short runs that reach every fault above.
FAULT_SEEDS = (2, 3, 8, 22, 23, 31, 47, 56)


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
