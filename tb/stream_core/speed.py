"""penni-escalate bench: Verilator's build time, and clock cycles per second with a bench that leaves Python alone."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, RESULTS, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import locked
from penni_escalate.common.versions import simulation_tools
from penni_escalate.configs.accelerator import Accelerator, load_accelerator, preset_names
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import simulate
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind
from penni_escalate.golden.schedule import load_words, passes_of
from penni_escalate.golden.sparsemap import encode
from penni_escalate.tb.base.simulator import Simulator, build, check_simulator, folder_name
from penni_escalate.tb.stream_core.stream_run import RECORD, StreamRun, predict, run_batch, stream_design

#: Repetitions of the layer in the timed simulation.
REPEATS = 8


def bench_layer(config: Accelerator, rng: np.random.Generator) -> tuple[Convolution, np.ndarray]:
    """A layer of four groups of input channels and two passes, half the activations and 10 % of T not 0."""
    g = Geometry(4 * config.group, 14, 14, 2 * config.blocks, 3, 3, 1, 1)
    rows = min(6, config.rows)
    shape = (g.kernels, g.channels, rows)
    coefficients = rng.choice(np.array([-1, 1], np.int8), shape) * (rng.random(shape) < 0.1).astype(np.int8)
    layer = Convolution(
        name="bench",
        sources=("input",),
        kind=LayerKind.DECOMPOSED,
        geometry=g,
        coefficients=coefficients,
        basis=rng.integers(-128, 128, (rows, 3, 3)).astype(np.int8),
        exponent=np.zeros(rows, np.uint8),
        bias=np.zeros(g.kernels, np.int32),
        multiplier=np.full(g.kernels, 300, np.uint16),
        shift=np.full(g.kernels, 24, np.uint8),
        low=0,
        high=255,
        signed_in=False,
        signed_out=False,
    )
    codes = rng.integers(0, 256, (1, g.height, g.width, g.channels))
    return layer, (codes * (rng.random(codes.shape) < 0.5)).astype(np.uint8)


def _measure(config: Accelerator) -> dict[str, float | int | bool]:
    layer, activations = bench_layer(config, np.random.default_rng(1))
    passes = passes_of(layer, config)
    work = StreamRun("bench", passes, [encode(activations, config.group)] * len(passes), free_running())
    prediction = predict(config, work)  # the first call compiles the cycle model
    loads = [load_words(part, config) for part in passes]
    start = time.perf_counter()
    simulate(config, passes, work.inputs, loads, work.stalls, values=False)
    golden_seconds = time.perf_counter() - start
    folder = BUILD / "bench"
    design = replace(
        stream_design(config, folder / "rtl" / folder_name(config), trace=False, long_runs=True), folder=folder / "sim"
    )
    shutil.rmtree(design.build_folder(Simulator.VERILATOR), ignore_errors=True)
    start = time.perf_counter()
    build(design, Simulator.VERILATOR)
    build_seconds = time.perf_counter() - start
    work_folder = folder / "work" / folder_name(config)
    outcome, comparisons = run_batch(design, Simulator.VERILATOR, [prediction] * REPEATS, work_folder, seed=1)
    seconds = [json.loads(path.read_text())["seconds"] for path in sorted(work_folder.glob(f"*_bench/{RECORD}"))]
    if not outcome.ended:
        raise UserError(outcome.unended)
    cycles = prediction.trace.cycles
    return {
        "build_seconds": build_seconds,
        "cycles_per_second": cycles * len(seconds) / sum(seconds),
        "golden_cycles_per_second": cycles / golden_seconds,
        "cycles": cycles * len(seconds),
        "equal": all(comparison.ok for comparison in comparisons),
    }


def run_bench(console: Console, configs: list[Accelerator]) -> tuple[Path, bool]:
    """Measure presets, all if none are given; prints a table.

    Returns the path of bench.json, and whether every simulation agreed with the model.
    """
    chosen = configs or [load_accelerator(name) for name in preset_names()]
    table = Table(title="Verilator, no Python in the clock loop; one cluster")
    table.add_column("preset")
    for name in ("multipliers", "build seconds", "RTL cycles/s", "cycle model cycles/s", "equal"):
        table.add_column(name, justify="right")
    measured = {}
    for config in chosen:
        with console.status(f"measuring {config.name}"), locked(BUILD / "bench"):
            numbers = measured[config.name] = _measure(config)
        table.add_row(
            config.name,
            f"{config.multipliers // config.clusters:,}",
            f"{numbers['build_seconds']:.1f}",
            f"{numbers['cycles_per_second']:,.0f}",
            f"{numbers['golden_cycles_per_second']:,.0f}",
            "yes" if numbers["equal"] else "NO",
        )
    console.print(table)
    path = write_json(RESULTS / "bench.json", {"presets": measured, "tools": simulation_tools()})
    return path, all(numbers["equal"] for numbers in measured.values())


@click.command()
@click.option("--config", "names", multiple=True, help="Preset; all of them if not given.")
def main(names: tuple[str, ...]) -> None:
    """Measure build time and simulated cycles per second of each preset under Verilator."""
    check_simulator(Simulator.VERILATOR)
    results_file, equal = run_bench(Console(), [load_accelerator(name) for name in names])
    print(f"results in {relative(results_file)}")
    if not equal:
        raise SystemExit(1)
