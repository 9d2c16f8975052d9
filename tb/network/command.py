"""penni-escalate sim: a network's layers through the RTL, compared with golden/."""

import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.progress import Progress

from penni_escalate.common.console import progress_columns, wide_console
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import RESULTS
from penni_escalate.common.versions import simulation_tools
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.package import find_package, read_package
from penni_escalate.tb.base.simulator import Simulator, check_simulator
from penni_escalate.tb.network.report import print_result, write_result
from penni_escalate.tb.network.simulate import Request, run_request


@click.command()
@click.option("--net", default="digits", show_default=True, help="Network in packages/, or a package's folder.")
@click.option("--config", "config_name", default="small", show_default=True, help="Preset, or path of a .yaml file.")
@click.option("--sim", type=click.Choice([s.value for s in Simulator]), default="verilator", show_default=True)
@click.option("--layer", default=None, help="One layer only, instead of all that the accelerator can run.")
@click.option("--images", default=8, show_default=True, help="Held-out images, drawn by the seed.")
@click.option("--image", type=int, default=None, help="One held-out image by its number, instead of drawing.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--waves", is_flag=True, help="Record every signal.")
@click.option("--results", default=RESULTS, type=Folder(), help="Folder of sim.json.")
def sim(
    net: str,
    config_name: str,
    sim: str,
    layer: str | None,
    images: int,
    image: int | None,
    seed: int,
    waves: bool,
    results: Path,
) -> None:
    """Run the layers that the accelerator can run through the RTL and compare values and cycles with golden/."""
    start = time.perf_counter()
    console = wide_console()
    simulator = Simulator(sim)
    check_simulator(simulator)
    console.print(", ".join(f"{tool} {found}" for tool, found in simulation_tools().items()), highlight=False)
    config = load_accelerator(config_name)
    package = read_package(find_package(net))
    request = Request(net, config_name, package, config, simulator, layer, images, image, seed, waves)
    with Progress(*progress_columns(), console=console) as progress:

        def begin(step: str, parts: int) -> Callable[[], None]:
            task = progress.add_task(step, total=parts)
            return lambda: progress.advance(task)

        result = run_request(request, begin)
    results_file = write_result(result, time.perf_counter() - start, results)
    print_result(console, result, results_file)
    if not result.ok:
        raise SystemExit(1)
