"""penni-escalate uvm --test smoke --config tiny --sim icarus: runs pyuvm tests of the stream core."""

import click

from penni_escalate.common.console import wide_console
from penni_escalate.common.paths import BUILD, console_command, relative
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.reporter import conclude, print_results
from penni_escalate.tb.base.simulator import Simulator, build, folder_name
from penni_escalate.tb.stream_core.env.run import UvmResult, check_test, core_design, default_folder, run_uvm, uvm_tests


def repeat(result: UvmResult, config: str) -> str:
    """The command that repeats a run with waves; ``config`` is how the user names the configuration."""
    return (
        f"{console_command('uvm')} --test {result.test} --config {config} --sim {result.tool} "
        f"--seed {result.seed} --layers {result.size} --waves"
    )


@click.command()
@click.option("--test", "chosen", multiple=True, help="Test, several times for several; all where not given.")
@click.option("--config", "name", default="tiny", show_default=True, help="Preset, or path of a .yaml file.")
@click.option("--sim", type=click.Choice([s.value for s in Simulator]), default="verilator", show_default=True)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of everything random.")
@click.option("--layers", default=8, show_default=True, type=click.IntRange(1), help="Random layers of each test.")
@click.option("--waves", is_flag=True, help="Record the signals.")
@click.option("--list", "listed", is_flag=True, help="Print the tests' names and end.")
def main(chosen: tuple[str, ...], name: str, sim: str, seed: int, layers: int, waves: bool, listed: bool) -> None:
    """Run pyuvm tests of the stream core."""
    simulator = Simulator(sim)
    if listed:
        print("\n".join(uvm_tests(simulator)))
        return
    tests = chosen or uvm_tests(simulator)
    for test in tests:
        check_test(test, simulator)
    config = load_accelerator(name)
    design = core_design(config, BUILD / "uvm" / "rtl" / folder_name(config), waves=waves)
    build(design, simulator)
    results = []
    console = wide_console()
    for test in tests:
        with console.status(f"{test}: simulating"):
            folder = default_folder(test, config, simulator, seed)
            results.append(run_uvm(design, simulator, test, seed, layers, folder))
        if waves:
            print(f"waves: {relative(folder)}")
    print_results(console, results, (), lambda result: repeat(result, name))
    conclude(results, "tests", "see its log")
