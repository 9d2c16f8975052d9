"""Runs the benches of the Verilog on netlists."""

from dataclasses import dataclass
from pathlib import Path

from penni_escalate.tb.base.bench import NetlistBench
from penni_escalate.tb.base.result import Result
from penni_escalate.tb.base.simulator import Simulator
from penni_escalate.tb.flows.result_store import ResultFile


@dataclass(frozen=True, kw_only=True)
class GateResult(Result):
    """What a bench found on a netlist.

    Attributes:
        gates: combinational cells; flip_flops: single bits.
    """

    gates: int
    flip_flops: int


#: What the benches said of the netlists.
RESULT_FILE = ResultFile(
    name="gates.json", field="results", entry=GateResult, part=lambda result: result.config, summary=lambda _: {}
)


def run_gate_level(bench: NetlistBench, simulator: Simulator, seed: int, count: int | None, folder: Path) -> GateResult:
    """Run a bench, built, on its netlist, cycle for cycle.

    Args:
        count: transactions or runs; the bench's default where not given.
    """
    result = bench.run(simulator, seed, count, folder)
    netlists = bench.netlists.values()
    return GateResult(
        **{name: getattr(result, name) for name in Result.__dataclass_fields__},
        gates=sum(netlist.gates for netlist in netlists),
        flip_flops=sum(netlist.flip_flops for netlist in netlists),
    )
