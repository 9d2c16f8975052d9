"""The console command: a table of subcommands, each imported when it is called."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from penni_escalate.common.errors import UserError, run_command
from penni_escalate.common.paths import name_caches
from penni_escalate.common.tool_environment import installed_packages_first


@dataclass(frozen=True)
class Subcommand:
    """A subcommand.

    Attributes:
        module, command: where the click command is, below the package.
        text: what it does, for the list of subcommands, which imports none of them.
        extra: the extra of the installation that has the packages which it needs; empty for none.
    """

    module: str
    command: str
    text: str
    extra: str = ""


SUBCOMMANDS = {
    "sim": Subcommand("tb.network.command", "sim", "Run a network's layers through the RTL and compare.", "sim"),
    "predict": Subcommand("golden.command", "main", "Predict the cycles of a network's layers."),
    "draw-package": Subcommand("golden.drawn_packages.command", "main", "Write a known network with drawn numbers."),
    "workloads": Subcommand("golden.workloads.command", "main", "List what the machines are compared on."),
    "evaluate": Subcommand("evaluate.command", "main", "Compare the accelerator with its rivals.", "compress"),
    "dse": Subcommand("evaluate.dse.command", "main", "Sweep the design space: cycles, area, energy.", "verify"),
    "rtl": Subcommand("rtl.command", "main", "Write the Verilog of a configuration."),
    "compress": Subcommand("compress.command", "compress", "Compress a network into a package.", "compress"),
    "units": Subcommand("tb.units.command", "main", "Run the bench of one unit or of all.", "sim"),
    "uvm": Subcommand("tb.stream_core.env.command", "main", "Run pyuvm tests of the stream core.", "verify"),
    "regress": Subcommand("tb.flows.regress.command", "regress", "Run a suite of tests with many seeds.", "verify"),
    "rerun": Subcommand("tb.flows.regress.command", "rerun", "Run one run of a regression again.", "verify"),
    "coverage": Subcommand("tb.flows.code_coverage.command", "main", "Judge the code coverage of runs.", "verify"),
    "coverage-plan": Subcommand("tb.flows.coverage_plan", "main", "Write the coverage plan, docs/coverage/.", "sim"),
    "formal": Subcommand("tb.flows.formal.command", "main", "Prove what the units do for every input.", "verify"),
    "gates": Subcommand("tb.flows.gates.command", "main", "Run the benches on synthesised netlists.", "verify"),
    "area": Subcommand("tb.flows.area.command", "main", "Count gates and memory bits of every unit.", "verify"),
    "timing": Subcommand("tb.flows.timing.command", "main", "Find the slowest path of every unit.", "verify"),
    "mutants": Subcommand("tb.flows.mutants.command", "main", "Put faults into the Verilog on purpose.", "verify"),
    "model-faults": Subcommand("tb.flows.model_faults.command", "main", "Put faults into the Python.", "verify"),
    "report": Subcommand("tb.flows.report.command", "main", "Write the verification report.", "verify"),
    "bench": Subcommand("tb.stream_core.speed", "main", "Measure build time and simulation speed.", "sim"),
    "lint": Subcommand("common.lint", "main", "Run ruff, mypy, verible and slang over the project."),
}


@contextmanager
def _packages_of(name: str) -> Iterator[None]:
    """Turn the lack of a package into a UserError that names the extra of a subcommand which has it."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = SUBCOMMANDS[name].extra if name in SUBCOMMANDS else ""
        if not extra or str(error.name).startswith("penni_escalate"):
            raise
        raise UserError(
            f"Command '{name}' needs the Python package '{str(error.name).partition('.')[0]}', which is not installed: "
            f"install penni-escalate[{extra}]."
        ) from None


class _Subcommands(click.Group):
    """A group whose commands are imported when one of them is asked for: PyTorch takes seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the table's order."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; raises UserError where packages that it needs are not installed."""
        if cmd_name not in SUBCOMMANDS:
            return None
        entry = SUBCOMMANDS[cmd_name]
        with _packages_of(cmd_name):
            return getattr(importlib.import_module(f"penni_escalate.{entry.module}"), entry.command)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; raises UserError where packages that it imports late are not installed."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError:
            with _packages_of(str(ctx.invoked_subcommand)):
                raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands in the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.text) for name, entry in SUBCOMMANDS.items()])


@click.group(cls=_Subcommands)
@click.version_option(package_name="penni-escalate", prog_name="penni-escalate")
def main() -> None:
    """PENNI + ESCALATE: compress networks, generate the accelerator, predict it, simulate it, verify it."""


def run() -> None:
    """The console command."""
    installed_packages_first()
    name_caches()
    run_command(main)
