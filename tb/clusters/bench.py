"""The bench of the clusters: layers dealt to all of them, under the replay bench of the stream core."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from penni_escalate.common.paths import BUILD
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name, module_name
from penni_escalate.tb.base.bench import MutantNetlist, MutantRun, Shape, Test
from penni_escalate.tb.base.coverage import Collector
from penni_escalate.tb.base.finding import DIED, Finding, check_baseline
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.netlist import DEFINES, Netlist, synthesise
from penni_escalate.tb.base.result import Result
from penni_escalate.tb.base.simulator import Design, Simulator, build, folder_name
from penni_escalate.tb.clusters.cluster_runs import cluster_run, cluster_runs
from penni_escalate.tb.clusters.coverage import MODEL, sample_clusters
from penni_escalate.tb.stream_core.batches import NOTHING, first_wrong, run_batch_of
from penni_escalate.tb.stream_core.env.names import COVERAGE
from penni_escalate.tb.stream_core.stream_run import (
    CLUSTERS,
    bench_design,
    describe,
    predict,
    run_batch,
    stream_design,
)

#: The test of random layers.
LAYERS = "layers"
CLUSTERS_TEST = f"{CLUSTERS}.{LAYERS}"
_SHORT = {Simulator.VERILATOR: 10, Simulator.ICARUS: 2}
#: Seeds of the runs that a mutant must show in, and runs of a netlist where nobody says how many.
SEEDS = (1, 2, 3)
_RUNS = 8


class ClustersBench:
    """The bench of the clusters."""

    netlist_simulator = Simulator.VERILATOR

    def tests(self, unit: str) -> Sequence[Test]:
        """Random layers."""
        return (Test(unit, LAYERS, (Variant.PLAIN, Variant.COVERAGE), seeds_in_turn=True),)

    def short(self, unit: str, simulator: Simulator) -> Sequence[tuple[Test, int]]:
        """A few of them."""
        return [(test, _SHORT[simulator]) for test in self.tests(unit)]

    def kind_of_design(self, job: Job, test: Test) -> Hashable:
        """The replay bench."""
        return CLUSTERS

    def design(self, job: Job, test: Test, config: Accelerator, *, waves: bool = False) -> Design:
        """The clusters in the replay bench."""
        place = BUILD / "rtl" / folder_name(config)
        return stream_design(config, place, top=CLUSTERS, waves=waves, coverage=job.variant is Variant.COVERAGE)

    def run(self, job: Job, test: Test, design: Design, folder: Path) -> Result:
        """A run for each seed from the job's on."""
        collector = Collector(MODEL, design.config)
        result = run_batch_of(job, cluster_run, design, folder, partial(sample_clusters, collector))
        collector.write(folder / COVERAGE)
        return result

    def netlist_bench(self, config: Accelerator, unit: str) -> "ClustersNetlist":
        """The netlist of all clusters in the replay bench."""
        return ClustersNetlist.make(config)

    def mutant_tests(self, unit: str) -> Sequence[str]:
        """Its random layers."""
        return (CLUSTERS_TEST,)

    def curated(
        self, config: Accelerator, unit: str, tests: Sequence[str], count: int, texts: Sequence[str], folder: Path
    ) -> Sequence[Sequence[Finding]]:
        """None: the clusters are built anew for each mutant, see ``detect``."""
        return [[] for _ in range(len(texts) + 1)]

    def detect(self, config: Accelerator, test: str, files: Mapping[str, str], folder: Path) -> Finding:
        """Random layers on changed Verilog."""
        design = _changed_design(config, files, folder)
        build(design, Simulator.ICARUS)
        return _detected(design, folder / "run")

    def shapes(self, unit: str, text: str) -> Sequence[Shape]:
        """The clusters themselves."""
        return (Shape(unit, {}, module_name(unit)),)

    def mutant_run(
        self, config: Accelerator, unit: str, netlist: MutantNetlist, files: Mapping[str, str], folder: Path
    ) -> MutantRun:
        """Random layers on the netlist, one simulation a mutant."""
        design = _changed_design(config, {**files, file_name(unit): netlist.text}, folder)
        build(design, Simulator.ICARUS)

        def run(numbers: Iterable[int], thorough: bool) -> Mapping[int, Sequence[Finding]]:
            return {n: [_detected(design, folder / "run", (f"+mutant={n}",))] for n in numbers}

        check_baseline(unit, run([0], False)[0])
        return run


def _changed_design(config: Accelerator, files: Mapping[str, str], folder: Path) -> Design:
    design = bench_design(config, folder / "rtl", files, render(config), top=CLUSTERS)
    return replace(design, folder=folder / "sim")


def _detected(design: Design, folder: Path, plusargs: Sequence[str] = ()) -> Finding:
    """What random layers say of a design that is built."""
    config = design.config
    predictions = [predict(config, run) for run in cluster_runs(SEEDS, config)]
    outcome, comparisons = run_batch(design, Simulator.ICARUS, predictions, folder, seed=1, plusargs=plusargs)
    if not outcome.ended:
        return Finding(CLUSTERS_TEST, DIED, outcome.unended)
    wrong = first_wrong(predictions, comparisons)
    if wrong is None:
        return Finding(CLUSTERS_TEST)
    where = f"{predictions[wrong].run.name}, cluster {wrong % config.clusters}"
    for difference in comparisons[wrong].differences:
        return Finding(CLUSTERS_TEST, difference.what, f"{where}: {describe(difference)}")
    return Finding(CLUSTERS_TEST, NOTHING, f"{where}: not everything was compared")


@dataclass(frozen=True)
class ClustersNetlist:
    """The netlist of all clusters in the replay bench."""

    bench: Design
    netlists: Mapping[str, Netlist]

    @classmethod
    def make(cls, config: Accelerator) -> "ClustersNetlist":
        """Synthesise the clusters, with their modules, and write the bench. Raises UserError where Yosys is missing."""
        files = render(config)
        folder = BUILD / "gates" / "rtl" / f"{folder_name(config)}_{CLUSTERS}"
        found = synthesise(files, module_name(CLUSTERS), flatten=False, defines=DEFINES)
        bench = bench_design(config, folder, {f"{CLUSTERS}_gates.v": found.text}, files, top=CLUSTERS)
        return cls(replace(bench, folder=folder / "sim"), {CLUSTERS: found})

    def build(self, simulator: Simulator) -> None:
        """Build what is not built. Raises UserError where it does not build."""
        build(self.bench, simulator)

    def run(self, simulator: Simulator, seed: int, count: int | None, folder: Path) -> Result:
        """Random layers."""
        job = Job(CLUSTERS_TEST, self.bench.config.name, simulator, Variant.PLAIN, seed, count or _RUNS)
        result = run_batch_of(job, cluster_run, self.bench, folder / "bench", lambda predictions, comparisons: None)
        return replace(result, test="netlist", narrowed=None)


BENCH = ClustersBench()
