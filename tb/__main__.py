"""python -m tb sim | bench: the accelerator simulated and measured."""

import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from common.console import wide_console
from common.errors import run_command
from common.options import Folder
from common.results import RESULTS, relative
from common.versions import simulation_tools
from configs.accelerator import load_accelerator
from golden.package import read_package
from tb.bench import run_bench
from tb.network_sim import Request, find_package, run_request
from tb.sim_report import print_result, write_result
from tb.simulator import Simulator, check_simulator


@click.group()
def main() -> None:
    """Simulate the generated accelerator."""


@main.command()
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
    package = read_package(Path(net) if Path(net).is_dir() else find_package(net))
    request = Request(net, config_name, package, config, simulator, layer, images, image, seed, waves)
    columns = (TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:

        def begin(step: str, parts: int) -> Callable[[], None]:
            task = progress.add_task(step, total=parts)
            return lambda: progress.advance(task)

        result = run_request(request, begin)
    results_file = write_result(result, time.perf_counter() - start, results)
    print_result(console, result, results_file)
    if not result.ok:
        raise SystemExit(1)


@main.command()
@click.option("--config", "names", multiple=True, help="Preset; all of them if not given.")
def bench(names: tuple[str, ...]) -> None:
    """Measure build time and simulated cycles per second of each preset under Verilator."""
    check_simulator(Simulator.VERILATOR)
    results_file, equal = run_bench(Console(), [load_accelerator(name) for name in names])
    print(f"results in {relative(results_file)}")
    if not equal:
        raise SystemExit(1)


if __name__ == "__main__":
    run_command(main)
