"""The benches of the stream core: whole layers through its streams, and its pyuvm environment."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from penni_escalate.common.paths import BUILD
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.names import file_name, module_name
from penni_escalate.tb.base.bench import MutantNetlist, MutantRun, Shape, Test
from penni_escalate.tb.base.coverage import Collector
from penni_escalate.tb.base.decorated import decorated_tests
from penni_escalate.tb.base.finding import Finding, check_baseline
from penni_escalate.tb.base.initial_values import random_initial_design
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.result import Result
from penni_escalate.tb.base.simulator import Design, Simulator, build, folder_name
from penni_escalate.tb.stream_core.batches import run_batch_of
from penni_escalate.tb.stream_core.coverage import MODEL, sample_run
from penni_escalate.tb.stream_core.env.names import COVERAGE
from penni_escalate.tb.stream_core.env.run import core_design, run_uvm
from penni_escalate.tb.stream_core.limit_runs import limit_run
from penni_escalate.tb.stream_core.mutant_runs import CORE_TEST, MORE_SEEDS, SEEDS, changed_design, run_core
from penni_escalate.tb.stream_core.netlists import StreamNetlist
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.start_state import run_initial_values, run_reset_runs
from penni_escalate.tb.stream_core.stream_run import Comparison, Prediction, stream_design

#: What the replay driver runs, besides the pyuvm tests.
REPLAYED = ("random", "limits", "reset", "initial_values")
#: Runs of the tests that show in short whether the core works.
_SHORT = {
    "random": {Simulator.VERILATOR: 20, Simulator.ICARUS: 4},
    "reset": {Simulator.VERILATOR: 6, Simulator.ICARUS: 2},
}


class StreamBench:
    """The benches of the stream core."""

    netlist_simulator = Simulator.VERILATOR

    def tests(self, unit: str) -> Sequence[Test]:
        """Those of the replay driver, and a test for each in the text of the pyuvm tests."""
        variants = (Variant.PLAIN, Variant.COVERAGE)
        replayed = [Test(unit, function, variants, seeds_in_turn=True) for function in REPLAYED]
        path = UNITS[unit].folder / "uvm_tests.py"
        return [*replayed, *(Test(unit, name) for name in decorated_tests(path, "core_test"))]

    def short(self, unit: str, simulator: Simulator) -> Sequence[tuple[Test, int]]:
        """Random runs, and runs after others that a reset ended."""
        return [(test, _SHORT[test.function][simulator]) for test in self.tests(unit) if test.function in _SHORT]

    def kind_of_design(self, job: Job, test: Test) -> Hashable:
        """The replay bench, that with random registers, and the bare core."""
        return test.function if test.function == "initial_values" else test.function in REPLAYED

    def design(self, job: Job, test: Test, config: Accelerator, *, waves: bool = False) -> Design:
        """The core in the replay bench, or bare for a pyuvm test."""
        if test.function not in REPLAYED:
            return core_design(config, BUILD / "uvm" / "rtl" / folder_name(config), waves=waves)
        coverage = job.variant is Variant.COVERAGE
        design = stream_design(config, BUILD / "rtl" / folder_name(config), waves=waves, coverage=coverage)
        return random_initial_design(design, job.simulator) if test.function == "initial_values" else design

    def run(self, job: Job, test: Test, design: Design, folder: Path) -> Result:
        """Runs from the job's seed on, or one pyuvm test."""
        if test.function not in REPLAYED:
            return run_uvm(design, job.simulator, test.function, job.seed, job.size, folder)
        if test.function == "initial_values":
            return run_initial_values(design, job.simulator, job.seed, job.size, folder)
        collector = Collector(MODEL, design.config)
        sample = partial(sample_run, collector, design.config)

        def sample_only(predictions: Sequence[Prediction], comparisons: Sequence[Comparison]) -> None:
            (prediction,), (comparison,) = predictions, comparisons
            sample(prediction, comparison)

        if test.function == "reset":
            result = run_reset_runs(design, job.simulator, job.seed, job.size, folder, sample)
        else:
            run_of = limit_run if test.function == "limits" else random_run
            result = run_batch_of(job, lambda seed, config: [run_of(seed, config)], design, folder, sample_only)
        collector.write(folder / COVERAGE)
        return result

    def netlist_bench(self, config: Accelerator, unit: str) -> StreamNetlist:
        """The netlist in the replay bench, and under the pyuvm tests."""
        return StreamNetlist.make(config)

    def mutant_tests(self, unit: str) -> Sequence[str]:
        """Its random runs."""
        return (CORE_TEST,)

    def curated(
        self, config: Accelerator, unit: str, tests: Sequence[str], count: int, texts: Sequence[str], folder: Path
    ) -> Sequence[Sequence[Finding]]:
        """None: the core is built anew for each mutant, see ``detect``."""
        return [[] for _ in range(len(texts) + 1)]

    def detect(self, config: Accelerator, test: str, files: Mapping[str, str], folder: Path) -> Finding:
        """Random runs on changed Verilog, up to the first batch in which something fires."""
        design = changed_design(config, files, folder)
        build(design, Simulator.ICARUS)
        return run_core(design, folder / "run")

    def shapes(self, unit: str, text: str) -> Sequence[Shape]:
        """The core itself."""
        return (Shape(unit, {}, module_name(unit)),)

    def mutant_run(
        self, config: Accelerator, unit: str, netlist: MutantNetlist, files: Mapping[str, str], folder: Path
    ) -> MutantRun:
        """Random runs of the core's netlist, one simulation a mutant."""
        design = changed_design(config, {**files, file_name(unit): netlist.text}, folder)
        build(design, Simulator.ICARUS)

        def run(numbers: Iterable[int], thorough: bool) -> Mapping[int, Sequence[Finding]]:
            seeds = MORE_SEEDS if thorough else SEEDS
            return {n: [run_core(design, folder / "run", seeds, (f"+mutant={n}",))] for n in numbers}

        check_baseline(unit, run([0], False)[0])
        return run


BENCH = StreamBench()
