"""What `make sim` prints and writes."""

import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from penni_escalate.common.paths import console_command, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.versions import simulation_tools
from penni_escalate.golden.figures import total_figures
from penni_escalate.golden.package import Measure, Result
from penni_escalate.golden.tables import baselines_table, cycles_table, losses_table
from penni_escalate.tb.base.reporter import print_problem
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.network.simulate import LayerResult, Mismatch, NetworkResult


def mismatches(layer: LayerResult) -> int:
    """Values and cycles of a layer that differ."""
    return layer.mismatches + layer.cycle_mismatches


def _layers_table(result: NetworkResult) -> Table:
    images, request, layers = len(result.images), result.request, result.layers
    title = (
        f"{request.package.manifest.network} on {request.config.name}, {request.simulator}, "
        f"{images} image{'s' if images > 1 else ''}, cycles summed over them (T, a: share that is not 0)"
    )

    def column(value: Callable[[LayerResult], int]) -> Callable[[int | None], str]:
        """Text of one layer's value, or of the sum over all."""
        return lambda number: f"{sum(map(value, layers if number is None else [layers[number]])):,}"

    others = {"golden": column(lambda layer: layer.golden_cycles), "mismatches": column(mismatches)}
    figures = [layer.rtl for layer in layers]
    return cycles_table(title, figures, total_figures(figures), "RTL cycles", others)


def _waves_file(result: NetworkResult) -> str:
    files = sorted([*result.folder.glob("*/dump.fst"), *result.folder.glob("*/dump.vcd")])
    return ", ".join(map(relative, files)) or "none were recorded"


def repeat(result: NetworkResult, layer: str, image: int) -> str:
    """The command that repeats one layer on one image, with waves."""
    request = result.request
    return (
        f"{console_command('sim')} --net {shlex.quote(request.network)} --config {shlex.quote(request.configuration)} "
        f"--sim {request.simulator} --layer {layer} --image {image} --seed {request.seed} --waves"
    )


def units_command(result: NetworkResult, mismatch: Mismatch) -> str:
    """The command that runs the benches of the units that may be at fault."""
    request = result.request
    units = " ".join(f"--unit {unit}" for unit in mismatch.diagnosis.units)
    configuration = shlex.quote(request.configuration)
    return f"{console_command('units')} {units} --config {configuration} --sim {request.simulator}"


def _said(mismatch: Mismatch) -> list[str]:
    first = f"First difference: {mismatch.first} when it is repeated as below." if mismatch.first else ""
    return [*mismatch.lines, *filter(None, [first]), mismatch.diagnosis.sentence]


def print_result(console: Console, result: NetworkResult, results_file: Path) -> None:
    """The tables, the verdict, and where everything is."""
    figures = [layer.rtl for layer in result.layers]
    console.print(_layers_table(result))
    console.print(baselines_table(figures, total_figures(figures)))
    console.print(losses_table(result.request.config, figures))
    for mismatch in result.mismatches:
        what = f"layer {mismatch.layer}, image {mismatch.image} {Verdict.FAILED}"
        print_problem(console, what, "\n".join(_said(mismatch)), repeat(result, mismatch.layer, mismatch.image))
        hint = f"Run the benches of the units: {units_command(result, mismatch)}"
        console.print(hint, markup=False, highlight=False, soft_wrap=True)
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
    for left in result.host_fallback:
        console.print(f"Host fallback: {left.name} ({left.kind}): {left.reason}.", highlight=False, soft_wrap=True)
    for given in result.request.package.results:
        console.print(_score_text(result, given), highlight=False, soft_wrap=True)
    console.print(
        f"Simulated {result.simulated_cycles:,} cycles in {result.simulation_seconds:.1f} s; logs "
        + (f"(waves: {_waves_file(result)}) " if result.request.waves else "")
        + f"under {relative(result.folder)}, results in {relative(results_file)}.",
        soft_wrap=True,
    )


def _score_text(result: NetworkResult, given: Result) -> str:
    accuracy = given.measure is Measure.ACCURACY
    what = "Classification accuracy" if accuracy else "Mean correlation with the floating-point network's maps"
    if len(result.request.package.results) > 1:
        what = f"Result '{given.layer}': {what[0].lower()}{what[1:]}"
    if result.scores is None:
        return f"{what}: not measured, not every layer that the accelerator can run was simulated."
    score = result.scores[given.layer]
    return f"{what} of these images through the RTL: {f'{score:.1%}' if accuracy else f'{score:.4f}'}"


def _layer_json(layer: LayerResult) -> dict[str, Any]:
    return {
        "rtl_cycles": layer.rtl.cycles,
        "golden_cycles": layer.golden_cycles,
        **layer.rtl.as_json(),
        "compared": layer.compared,
        "z_compared": layer.z_compared,
        "mismatches": layer.mismatches,
        "cycle_mismatches": layer.cycle_mismatches,
    }


def _total_json(result: NetworkResult) -> dict[str, Any]:
    total = total_figures([layer.rtl for layer in result.layers])
    return {
        "rtl_cycles": total.cycles,
        "golden_cycles": sum(layer.golden_cycles for layer in result.layers),
        **total.as_json(),
        "mismatches": sum(map(mismatches, result.layers)),
    }


def write_result(result: NetworkResult, wall_seconds: float, folder: Path) -> Path:
    """Write sim.json in ``folder``; returns its path."""
    request = result.request
    main = request.package.result
    score = None if result.scores is None else result.scores[main.layer]
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
        "measure": main.measure.value,
        "score": score,
        "accuracy": score if main.measure is Measure.ACCURACY else None,
        "results": [
            {
                "layer": given.layer,
                "measure": given.measure.value,
                "score": None if result.scores is None else result.scores[given.layer],
            }
            for given in request.package.results
        ],
        "cycles_per_second": result.simulated_cycles / result.simulation_seconds,
        "wall_seconds": wall_seconds,
        "tools": simulation_tools(),
        "total": _total_json(result),
        "layers": [_layer_json(layer) for layer in result.layers],
        "host_fallback": [asdict(left) for left in result.host_fallback],
    }
    return write_json(folder / "sim.json", document)
