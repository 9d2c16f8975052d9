"""The benches of the units: each in lockstep with its cycle model, all behind one wrapper."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.bench import MutantNetlist, MutantRun, Shape, Test
from penni_escalate.tb.base.decorated import decorated_tests
from penni_escalate.tb.base.finding import Finding, check_baseline
from penni_escalate.tb.base.initial_values import random_initial_design
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.result import Result
from penni_escalate.tb.base.simulator import Design, Simulator, build
from penni_escalate.tb.units.lockstep.wrapper import instances_of, write_instances
from penni_escalate.tb.units.mutants.designs import Choosable, curated_design
from penni_escalate.tb.units.mutants.run import run_bench
from penni_escalate.tb.units.netlists import UnitNetlists
from penni_escalate.tb.units.start_state import run_from_random_registers
from penni_escalate.tb.units.unit_bench import TRANSACTIONS, run_units, unit_design

_VARIANTS = (Variant.PLAIN, Variant.COVERAGE, Variant.RANDOM_INITIAL)
#: Transactions of a bench against each generated mutant, and against those that survive the first.
FIRST, THOROUGH = 300, 5000


class UnitBench:
    """The benches of the units."""

    netlist_simulator = Simulator.ICARUS

    def tests(self, unit: str) -> Sequence[Test]:
        """A test for each in the bench's text: a new one is entered nowhere."""
        path = UNITS[unit].folder / f"{unit}_tests.py"
        return [Test(unit, name, _VARIANTS) for name in decorated_tests(path, "cocotb.test")]

    def short(self, unit: str, simulator: Simulator) -> Sequence[tuple[Test, int]]:
        """All of them."""
        return [(test, TRANSACTIONS[simulator]) for test in self.tests(unit)]

    def kind_of_design(self, job: Job, test: Test) -> Hashable:
        """One wrapper holds all units."""
        return "units"

    def design(self, job: Job, test: Test, config: Accelerator, *, waves: bool = False) -> Design:
        """The wrapper of all units."""
        design = unit_design(config, waves=waves, coverage=job.variant is Variant.COVERAGE)
        return random_initial_design(design, job.simulator) if job.variant is Variant.RANDOM_INITIAL else design

    def run(self, job: Job, test: Test, design: Design, folder: Path) -> Result:
        """One function of the unit's bench."""
        run = run_from_random_registers if job.variant is Variant.RANDOM_INITIAL else _run_once
        return run(design, job.simulator, test.unit, test.function, job.seed, job.size, folder)

    def netlist_bench(self, config: Accelerator, unit: str) -> UnitNetlists:
        """The unit's bench round a netlist for each of its shapes."""
        return UnitNetlists.make(config, unit)

    def mutant_tests(self, unit: str) -> Sequence[str]:
        """All of them."""
        return [test.name for test in self.tests(unit)]

    def curated(
        self, config: Accelerator, unit: str, tests: Sequence[str], count: int, texts: Sequence[str], folder: Path
    ) -> Sequence[Sequence[Finding]]:
        """All mutants in one simulation."""
        mutants = curated_design(config, unit, render(config), texts, folder / "rtl")
        build(mutants.design, Simulator.ICARUS)
        found = run_bench(mutants, tests, range(len(texts) + 1), count, folder / "run")
        return [found[number] for number in range(len(texts) + 1)]

    def shapes(self, unit: str, text: str) -> Sequence[Shape]:
        """One for each instance of the unit in the wrapper."""
        return [Shape(i.name, i.parameters, f"{i.name}_generated") for i in instances_of(unit, text)]

    def mutant_run(
        self, config: Accelerator, unit: str, netlist: MutantNetlist, files: Mapping[str, str], folder: Path
    ) -> MutantRun:
        """The tests that drive the netlist's shape."""
        shape = netlist.shape
        instances = [
            replace(i, module=shape.module, parameters={}) if i.name == shape.name else i
            for i in instances_of(unit, files[file_name(unit)])
        ]
        texts = {**files, f"{shape.module}.v": netlist.text}
        design = write_instances(config, folder / "rtl", instances, texts, builds=folder / "sim")
        build(design, Simulator.ICARUS)
        mutants = Choosable(design, (f"u_{shape.name}.{netlist.choice}",))
        baseline = run_bench(mutants, self.mutant_tests(unit), [0], FIRST, folder / "run")[0]
        check_baseline(unit, baseline)
        # The others drive another shape.
        tests = [finding.test for finding in baseline if finding.instance == shape.name]

        def run(numbers: Iterable[int], thorough: bool) -> Mapping[int, Sequence[Finding]]:
            return run_bench(mutants, tests, numbers, THOROUGH if thorough else FIRST, folder / "run")

        return run


def _run_once(
    design: Design, simulator: Simulator, unit: str, function: str, seed: int, transactions: int, folder: Path
) -> Result:
    (result,) = run_units(
        design, simulator, [unit], seed=seed, transactions=transactions, folder=folder, function=function
    )
    return result


BENCH = UnitBench()
