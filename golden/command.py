"""penni-escalate predict --net digits --config small: cycles of a network's layers."""

import time
from dataclasses import asdict
from pathlib import Path

import click
from rich.progress import Progress

from penni_escalate.common.console import progress_columns, wide_console
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import RESULTS, relative
from penni_escalate.common.results import check_room, write_json
from penni_escalate.common.versions import tool_versions
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.figures import total_figures
from penni_escalate.golden.package import find_package, read_package
from penni_escalate.golden.prediction import predict_network
from penni_escalate.golden.selection import select_images, select_layers
from penni_escalate.golden.tables import baselines_table, cycles_table, losses_table


@click.command()
@click.option("--net", default="digits", show_default=True, help="Network in packages/, or a package's folder.")
@click.option("--config", "config_name", default="small", show_default=True, help="Preset, or path of a .yaml file.")
@click.option("--layer", default=None, help="One layer only, instead of all that the accelerator can run.")
@click.option("--images", default=8, show_default=True, help="Held-out images, drawn by the seed.")
@click.option("--image", type=int, default=None, help="One held-out image by its number, instead of drawing.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--results", default=RESULTS, type=Folder(), help="Folder of predict.json.")
def main(
    net: str, config_name: str, layer: str | None, images: int, image: int | None, seed: int, results: Path
) -> None:
    """Predict the cycles of the layers that the accelerator can run."""
    start = time.perf_counter()
    console = wide_console()
    config = load_accelerator(config_name)
    package = read_package(find_package(net))
    layers, left = select_layers(package, config, layer)
    numbers = select_images(package, images, image, seed)
    # Before minutes of work whose result could not be written.
    check_room(results)
    with Progress(*progress_columns(), console=console) as progress:
        task = progress.add_task("cycle model", total=len(layers) * len(numbers))
        prediction = predict_network(package, config, layers, numbers, lambda: progress.advance(task))
    total = total_figures(prediction.layers)
    network = package.manifest.network
    document = {
        "network": network,
        "config": config.name,
        "seed": seed,
        "images": list(numbers),
        "golden_mismatches": prediction.model_mismatches,
        "wall_seconds": time.perf_counter() - start,
        "tools": tool_versions("numpy", "numba"),
        "total": {"cycles": total.cycles, **total.as_json()},
        "layers": [{"cycles": figures.cycles, **figures.as_json()} for figures in prediction.layers],
        "host_fallback": [asdict(other) for other in left],
    }
    path = write_json(results / "predict.json", document)
    title = (
        f"{network} on {config.name}, predicted, {len(numbers)} image{'s' if len(numbers) > 1 else ''}, "
        "cycles summed over them (T, a: share that is not 0)"
    )
    console.print(cycles_table(title, prediction.layers, total, "cycles", {}))
    console.print(baselines_table(prediction.layers, total))
    console.print(losses_table(config, prediction.layers))
    for other in left:
        console.print(f"Host fallback: {other.name} ({other.kind}): {other.reason}.", highlight=False, soft_wrap=True)
    console.print(f"Results in {relative(path)}.", soft_wrap=True)
    if prediction.model_mismatches:
        console.print(
            f"The cycle model and the functional model differ in {prediction.model_mismatches} outputs.",
            style="bold red",
        )
        raise SystemExit(1)
