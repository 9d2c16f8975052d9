"""penni-escalate uvm --test smoke --config tiny --sim icarus: runs pyuvm tests of the stream core."""

from pathlib import Path

import click

from penni_escalate.common.paths import BUILD, relative
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.simulator import Simulator, build, folder_name
from penni_escalate.tb.stream_core.env.run import check_test, core_design, default_folder, reproduce, run_uvm, uvm_tests


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
    print(f"{'test':24} {'compared':>10} {'cycles':>8} {'result':>7} {'seconds':>8}")
    failed = []
    for test in tests:
        folder: Path = default_folder(test, config, simulator, seed)
        result = run_uvm(design, simulator, test, seed, layers, folder)
        verdict = "pass" if result.ok else "FAIL"
        print(f"{test:24} {result.compared:10,} {result.cycles:8,} {verdict:>7} {result.seconds:8.2f}", flush=True)
        if waves:
            print(f"Waves: {relative(folder)}")
        if not result.ok:
            failed.append(result)
    for result in failed:
        print(f"\n{result.test}: {result.problem}\nReproduce with: {reproduce(result, name)}")
    if failed:
        raise SystemExit(1)
