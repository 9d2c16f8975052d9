"""What `make sim` prints and writes."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from penni_escalate.common.paths import relative
from penni_escalate.common.results import write_json
from penni_escalate.common.versions import simulation_tools
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.manifest import Measure
from penni_escalate.tb.network.simulate import LayerResult, NetworkResult


def geometry_text(g: Geometry) -> str:
    """28x28x16 > 32, 3x3 s1 p1."""
    kernel = f"{g.kernel_height}x{g.kernel_width} s{g.stride} p{g.padding}"
    return f"{g.height}x{g.width}x{g.channels} > {g.kernels}, {kernel}"


def totals(result: NetworkResult) -> dict[str, float]:
    """Sums over the layers, and what follows from them."""
    rtl = sum(layer.rtl_cycles for layer in result.layers)
    bound = sum(layer.bound.cycles for layer in result.layers)
    dense = sum(layer.dense_cycles for layer in result.layers)
    return {
        "rtl_cycles": rtl,
        "golden_cycles": sum(layer.golden_cycles for layer in result.layers),
        "bound_cycles": bound,
        "dense_cycles": dense,
        "utilisation": bound / rtl if rtl else 0.0,
        "speedup": dense / rtl if rtl else 0.0,
        "mismatches": sum(layer.mismatches + layer.cycle_mismatches for layer in result.layers),
    }


def _layers_table(result: NetworkResult) -> Table:
    images = len(result.images)
    request = result.request
    table = Table(
        box=SIMPLE_HEAD,
        title=f"{request.package.manifest.network} on {request.config.name}, {request.simulator}, "
        f"{images} image{'s' if images > 1 else ''}, cycles summed over them (T, a: share that is not 0)",
    )
    for name in ("layer", "geometry"):
        table.add_column(name, no_wrap=True)
    for name in (
        "T",
        "a",
        "RTL cycles",
        "golden",
        "bound",
        "util.",
        "dense",
        "speed-up",
        "mismatches",
    ):
        table.add_column(name, justify="right")
    for layer in result.layers:
        table.add_row(
            layer.layer.name,
            geometry_text(layer.layer.geometry),
            f"{layer.layer.coefficient_density:.1%}",
            f"{layer.activation_density:.1%}",
            f"{layer.rtl_cycles:,}",
            f"{layer.golden_cycles:,}",
            f"{layer.bound.cycles:,}",
            f"{layer.utilisation:.3f}",
            f"{layer.dense_cycles:,}",
            f"{layer.speedup:.2f}x",
            f"{layer.mismatches + layer.cycle_mismatches}",
        )
    total = totals(result)
    table.add_section()
    table.add_row(
        "all",
        "",
        "",
        "",
        f"{total['rtl_cycles']:,}",
        f"{total['golden_cycles']:,}",
        f"{total['bound_cycles']:,}",
        f"{total['utilisation']:.3f}",
        f"{total['dense_cycles']:,}",
        f"{total['speedup']:.2f}x",
        f"{total['mismatches']}",
    )
    return table


def _cycles_table(result: NetworkResult) -> Table:
    table = Table(box=SIMPLE_HEAD, title="where the cycles go (shares of all blocks' cycles)")
    table.add_column("layer")
    for name in (
        "bound by",
        "idle rows",
        "MAC issues",
        "waits for z",
        "waits for a line",
        "other",
        "ring full",
        "z FIFO full",
        "pixels dropped",
    ):
        table.add_column(name, justify="right")
    config = result.request.config
    for layer in result.layers:
        cycles = layer.rtl_cycles or 1
        issues = layer.share(BlockCounter.PRODUCTS) / config.taps
        starved, line_wait = layer.share(BlockCounter.STARVED), layer.share(BlockCounter.LINE_WAIT)
        table.add_row(
            layer.layer.name,
            layer.bound.limit,
            f"{config.rows - layer.layer.rows_used} of {config.rows}",
            f"{issues:.1%}",
            f"{starved:.1%}",
            f"{line_wait:.1%}",
            f"{max(0.0, 1 - issues - starved - line_wait):.1%}",
            f"{layer.counters['ring_full'] / cycles:.1%}",
            f"{layer.share(BlockCounter.Z_FULL) / config.rows:.1%}",
            f"{layer.counters['dropped']:,}",
        )
    return table


def _waves_file(result: NetworkResult) -> str:
    files = sorted([*result.folder.glob("*/dump.fst"), *result.folder.glob("*/dump.vcd")])
    return ", ".join(map(relative, files)) or "none were recorded"


def reproduce_command(result: NetworkResult, layer: str, image: int) -> str:
    """The command that runs one layer on one image again, with waves."""
    request = result.request
    return (
        f"make sim NET={shlex.quote(request.network)} CONFIG={shlex.quote(request.configuration)} "
        f"SIM={request.simulator} LAYER={layer} IMAGE={image} SEED={request.seed} WAVES=1"
    )


def print_result(console: Console, result: NetworkResult, results_file: Path) -> None:
    """The tables, the verdict, and where everything is."""
    console.print(_layers_table(result))
    console.print(_cycles_table(result))
    for mismatch in result.mismatches:
        console.print(f"MISMATCH in layer {mismatch.layer}, image {mismatch.image}:", style="bold red")
        for line in mismatch.lines:
            console.print(f"  {line}", highlight=False)
        again = reproduce_command(result, mismatch.layer, mismatch.image)
        console.print(f"  again, with waves: {again}", soft_wrap=True)
    if result.golden_mismatches:
        console.print(
            f"The cycle model and the functional model differ in {result.golden_mismatches} outputs.", style="bold red"
        )
    compared = sum(layer.compared for layer in result.layers)
    z = sum(layer.z_compared for layer in result.layers)
    verdict = "all equal" if result.ok else "NOT equal"
    console.print(
        f"Compared {compared:,} output values with their cycles, {z:,} z with their cycles (first image), "
        f"and every counter: {verdict}."
    )
    for left in result.left_to_golden:
        console.print(f"Left to golden/: {left.name} ({left.kind}): {left.reason}.", highlight=False, soft_wrap=True)
    console.print(_score_text(result))
    console.print(
        f"Simulated {result.simulated_cycles:,} cycles in {result.simulation_seconds:.1f} s; logs "
        + (f"(waves: {_waves_file(result)}) " if result.request.waves else "")
        + f"under {relative(result.folder)}, results in {relative(results_file)}.",
        soft_wrap=True,
    )


def _score_text(result: NetworkResult) -> str:
    accuracy = result.request.package.manifest.measure is Measure.ACCURACY
    what = "Classification accuracy" if accuracy else "Mean correlation with the floating-point network's maps"
    if result.score is None:
        return f"{what}: not measured, not every layer that the accelerator can run was simulated."
    return f"{what} of these images through the RTL: {f'{result.score:.1%}' if accuracy else f'{result.score:.4f}'}"


def _layer_json(layer: LayerResult) -> dict[str, Any]:
    return {
        "name": layer.layer.name,
        "geometry": geometry_text(layer.layer.geometry),
        "passes": layer.passes,
        "coefficient_density": layer.layer.coefficient_density,
        "activation_density": layer.activation_density,
        "rtl_cycles": layer.rtl_cycles,
        "golden_cycles": layer.golden_cycles,
        "bound_cycles": layer.bound.cycles,
        "bound_by": layer.bound.limit,
        "dense_cycles": layer.dense_cycles,
        "utilisation": layer.utilisation,
        "speedup": layer.speedup,
        "compared": layer.compared,
        "z_compared": layer.z_compared,
        "mismatches": layer.mismatches,
        "cycle_mismatches": layer.cycle_mismatches,
        "counters": layer.counters,
    }


def write_result(result: NetworkResult, wall_seconds: float, folder: Path) -> Path:
    """Write sim.json in ``folder``; returns its path."""
    request = result.request
    measure = request.package.manifest.measure
    document = {
        "network": request.package.manifest.network,
        "config": request.config.name,
        "simulator": request.simulator.value,
        "seed": request.seed,
        "images": list(result.images),
        "compared": sum(layer.compared for layer in result.layers),
        "mismatches": sum(layer.mismatches for layer in result.layers),
        "cycle_mismatches": sum(layer.cycle_mismatches for layer in result.layers),
        "golden_mismatches": result.golden_mismatches,
        "failed_simulations": result.failed_simulations,
        "measure": measure.value,
        "score": result.score,
        "accuracy": result.score if measure is Measure.ACCURACY else None,
        "cycles_per_second": result.simulated_cycles / result.simulation_seconds,
        "wall_seconds": wall_seconds,
        "tools": simulation_tools(),
        "total": totals(result),
        "layers": [_layer_json(layer) for layer in result.layers],
        "left_to_golden": [asdict(left) for left in result.left_to_golden],
    }
    return write_json(folder / "sim.json", document)
