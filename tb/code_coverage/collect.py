"""Runs the benches with coverage: every unit's bench, and the stream core on random layers and at the limits."""

from collections.abc import Callable, Sequence
from pathlib import Path

from common.results import BUILD, relative
from configs.accelerator import load_accelerator
from tb.code_coverage.record import DATA, RECORD
from tb.limit_runs import LIMITS, limit_run
from tb.random_run import random_run
from tb.simulator import Simulator, build, folder_name
from tb.stream_run import StreamRun, describe, predict, run_batch, stream_design
from tb.unit_bench import UNITS, reproduce, run_units, unit_design

FOLDER = BUILD / "coverage"


def collect_units(config_name: str, units: Sequence[str], seed: int, transactions: int) -> list[str]:
    """Run unit benches in one simulation; returns what failed."""
    design = unit_design(load_accelerator(config_name), UNITS, coverage=True)
    build(design, Simulator.VERILATOR)
    folder = FOLDER / design.config.name / f"units_{seed}"
    results = run_units(design, Simulator.VERILATOR, units, seed=seed, transactions=transactions, folder=folder)
    return [
        f"{result.problem}\nReproduce with: {reproduce(result, config_name, transactions)}"
        for result in results
        if not result.ok
    ]


def collect_stream(config_name: str, name: str, runs: Sequence[StreamRun], advance: Callable[[], None]) -> list[str]:
    """Run the stream core; returns what failed."""
    config = load_accelerator(config_name)
    design = stream_design(config, BUILD / "rtl" / folder_name(config), coverage=True)
    build(design, Simulator.VERILATOR)
    folder = FOLDER / config.name / name
    predictions = [predict(config, run) for run in runs]
    _, comparisons = run_batch(design, Simulator.VERILATOR, predictions, folder, 1, advance)
    return [
        f"stream core, run {run.name} in {relative(folder)}: {'; '.join(map(describe, comparison.differences))}"
        for run, comparison in zip(runs, comparisons, strict=True)
        if not comparison.ok
    ]


def stream_runs(config_name: str, seed: int, count: int) -> dict[str, list[StreamRun]]:
    """The runs of the stream core, by the name of their simulation."""
    config = load_accelerator(config_name)
    return {
        "stream_random": [random_run(number, config) for number in range(seed, seed + count)],
        "stream_limits": [limit_run(number, config) for number in range(seed, seed + len(LIMITS))],
    }


def clear(folder: Path = FOLDER) -> None:
    """Forget what earlier runs covered."""
    for name in (DATA, RECORD):
        for path in folder.rglob(name):
            path.unlink()
