"""Runs the benches of the Verilog on netlists."""

import time
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.results import relative
from configs.accelerator import Accelerator
from rtl.generator import TOP, UNITS
from tb.gates.designs import GateDesign, stream_gates, unit_gates
from tb.gathered import ResultFile
from tb.random_run import random_run
from tb.simulator import Simulator
from tb.start_state import verdict
from tb.stream_run import predict, run_batch
from tb.unit_bench import run_units

#: Transactions of a unit bench, and random runs of the stream core, where nobody says how many.
TRANSACTIONS = 100
RUNS = 4


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


def run_gate_level(
    gates: GateDesign, unit: str, simulator: Simulator, seed: int, count: int | None, folder: Path
) -> GateResult:
    """Run a unit's bench on its netlist, cycle for cycle.

    Args:
        gates: the design of ``unit``, built.
        count: transactions of a unit, random runs of the stream core; TRANSACTIONS or RUNS where not given.
    """
    config = gates.design.config
    begin = time.perf_counter()
    if unit == TOP:
        predictions = [predict(config, random_run(seed + n, config)) for n in range(count or RUNS)]
        outcome, comparisons = run_batch(gates.design, simulator, predictions, folder, seed)
        result = verdict(predictions, comparisons, time.perf_counter() - begin)
        compared, cycles, problem = result.compared, result.cycles, result.problem
        if not problem and outcome.failed:
            problem = f"the simulation did not come to its end, see {relative(outcome.log)}"
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
