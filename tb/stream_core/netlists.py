"""The benches of the stream core round its netlist."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from penni_escalate.common.paths import BUILD
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import module_name
from penni_escalate.tb.base.netlist import DEFINES, Netlist, synthesise
from penni_escalate.tb.base.result import Result, Verdict
from penni_escalate.tb.base.simulator import Design, Simulator, build, folder_name
from penni_escalate.tb.stream_core.env.run import core_top, run_uvm, uvm_tests
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.start_state import reset_predictions, summed
from penni_escalate.tb.stream_core.stream_run import bench_design, predict, run_batch

CORE = "stream_core"
FOLDER = BUILD / "gates"
#: Random runs where nobody says how many, runs after others that reset aborted, and layers of each pyuvm test.
RUNS, RESET_RUNS, LAYERS = 20, 8, 3


@dataclass(frozen=True)
class StreamNetlist:
    """The netlist of a stream core, in its bench and as the top itself, for its pyuvm tests."""

    bench: Design
    top: Design
    netlists: Mapping[str, Netlist]

    @classmethod
    def make(cls, config: Accelerator, folder: Path | None = None, netlist: Netlist | None = None) -> "StreamNetlist":
        """Synthesise the stream core and write its bench.

        The netlist keeps the modules, so that z and the handshakes inside are compared and watched as in the Verilog.

        Args:
            netlist: given in place of what Yosys makes.

        Raises UserError where Yosys is missing.
        """
        files = render(config)
        folder = folder or FOLDER / "rtl" / f"{folder_name(config)}_{CORE}"
        found = netlist or synthesise(files, module_name(CORE), flatten=False, defines=DEFINES)
        bench = bench_design(config, folder, {f"{CORE}_gates.v": found.text}, files)
        top = core_top(config, bench.sources[:1])
        return cls(replace(bench, folder=folder / "sim"), replace(top, folder=folder / "sim"), {CORE: found})

    def build(self, simulator: Simulator) -> None:
        """Build what is not built. Raises UserError where it does not build."""
        build(self.bench, simulator)
        build(self.top, simulator)

    def run(self, simulator: Simulator, seed: int, count: int | None, folder: Path) -> Result:
        """Random runs, runs after a reset in mid-pass, and the pyuvm tests; ``count`` random runs, else RUNS."""
        begin = time.perf_counter()
        config = self.bench.config
        predictions = [predict(config, random_run(seed + n, config)) for n in range(count or RUNS)]
        predictions += reset_predictions(self.bench, seed, RESET_RUNS)
        outcome, comparisons = run_batch(self.bench, simulator, predictions, folder / "bench", seed)
        batch = summed(self.bench, simulator, "random", seed, count or RUNS, predictions, comparisons, outcome)
        tests = [run_uvm(self.top, simulator, test, seed, LAYERS, folder / test) for test in uvm_tests(simulator)]
        failed = next((result for result in (batch, *tests) if not result.ok), None)
        return replace(
            batch,
            test="netlist",
            verdict=failed.verdict if failed else Verdict.PASSED,
            compared=batch.compared + sum(test.compared for test in tests),
            cycles=batch.cycles + sum(test.cycles for test in tests),
            problem=f"{failed.test}: {failed.problem}" if failed else "",
            check=failed.check if failed else "",
            seconds=round(time.perf_counter() - begin, 2),
        )
