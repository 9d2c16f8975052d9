"""Runs the benches of the Verilog on netlists."""

import time
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import TOP
from penni_escalate.tb.base.simulator import Simulator
from penni_escalate.tb.flows.gates.designs import GateDesign, stream_gates, unit_gates
from penni_escalate.tb.flows.result_store import ResultFile
from penni_escalate.tb.flows.start_state import reset_predictions, verdict
from penni_escalate.tb.stream_core.env.run import run_uvm, uvm_tests
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.stream_run import predict, run_batch
from penni_escalate.tb.units.unit_bench import run_units

#: Transactions of a unit bench, and random runs of the stream core, where nobody says how many.
TRANSACTIONS = 100
RUNS = 20
#: Runs of the stream core after others that reset cut off, and layers of each of its pyuvm tests.
RESET_RUNS = 8
LAYERS = 3


@dataclass(frozen=True)
class GateResult:
    """Verdict of a bench on a netlist.

    Attributes:
        gates: combinational cells; flip_flops: single bits.
        compared: what the bench compared with the model.
        problem: the first difference; empty where there is none.
    """

    unit: str
    config: str
    simulator: str
    seed: int
    gates: int
    flip_flops: int
    compared: int
    cycles: int
    ok: bool
    problem: str
    seconds: float


#: What the benches said of the netlists.
RESULT_FILE = ResultFile(
    name="gates.json", field="results", entry=GateResult, part=lambda result: result.config, summary=lambda _: {}
)


def check_unit(unit: str) -> None:
    """Raises UserError for what is not a unit of the Verilog."""
    if unit not in UNITS:
        raise UserError(f"Unit '{unit}' is not known: use one of {', '.join(UNITS)}.")


def gate_design(config: Accelerator, unit: str) -> GateDesign:
    """The bench round a unit's netlist; ``stream_core`` has one of its own.

    Raises UserError for an unknown unit, and where Yosys is missing.
    """
    check_unit(unit)
    return stream_gates(config) if unit == TOP else unit_gates(config, unit)


def _run_core(gates: GateDesign, simulator: Simulator, seed: int, runs: int, folder: Path) -> tuple[int, int, str]:
    """The stream core's random runs, those after a reset in mid-pass, and its pyuvm tests.

    Returns what was compared, the cycles, and the first difference.
    """
    assert gates.core is not None
    config = gates.design.config
    predictions = [predict(config, random_run(seed + n, config)) for n in range(runs)]
    predictions += reset_predictions(gates.design, seed, RESET_RUNS)
    outcome, comparisons = run_batch(gates.design, simulator, predictions, folder / "bench", seed)
    bench = verdict(predictions, comparisons, 0)
    problems = [bench.problem]
    if outcome.failed:
        problems.append(f"the simulation did not come to its end, see {relative(outcome.log)}")
    tests = [run_uvm(gates.core, simulator, test, seed, LAYERS, folder / test) for test in uvm_tests(simulator)]
    problems += [f"{test.test}: {test.problem}" for test in tests if not test.ok]
    return (
        bench.compared + sum(test.compared for test in tests),
        bench.cycles + sum(test.cycles for test in tests),
        next(filter(None, problems), ""),
    )


def run_gate_level(
    gates: GateDesign, unit: str, simulator: Simulator, seed: int, count: int | None, folder: Path
) -> GateResult:
    """Run the benches of a unit, or of the stream core, on its netlist, cycle for cycle.

    Args:
        gates: the design of ``unit``, built.
        count: transactions of a unit, random runs of the stream core; TRANSACTIONS or RUNS where not given.
    """
    config = gates.design.config
    begin = time.perf_counter()
    if unit == TOP:
        compared, cycles, problem = _run_core(gates, simulator, seed, count or RUNS, folder)
    else:
        (run,) = run_units(
            gates.design, simulator, [unit], seed=seed, transactions=count or TRANSACTIONS, folder=folder
        )
        compared, cycles, problem = run.comparisons, run.cycles, run.problem
    return GateResult(
        unit=unit,
        config=config.name,
        simulator=simulator.value,
        seed=seed,
        gates=sum(netlist.gates for netlist in gates.netlists.values()),
        flip_flops=sum(netlist.flip_flops for netlist in gates.netlists.values()),
        compared=compared,
        cycles=cycles,
        ok=not problem,
        problem=problem,
        seconds=round(time.perf_counter() - begin, 2),
    )
