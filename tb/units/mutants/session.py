"""Runs inside the simulator: a unit's bench against one mutant after the other.

All begin with the same seed, so that what a mutant meets does not depend on those before it.
"""

import json
import os
import signal
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path

import cocotb
from cocotb.handle import HierarchyObject

from penni_escalate.common.units import UNITS
from penni_escalate.tb.base.seeds import fix_seed
from penni_escalate.tb.units.lockstep.base import RESULTS
from penni_escalate.tb.units.mutants.names import PLAN, STARTED, outcome_name

_PLAN = json.loads(os.environ[PLAN])
fix_seed(cocotb.RANDOM_SEED)


def _choose(dut: HierarchyObject, number: int) -> None:
    for path in _PLAN["choices"]:
        handle = dut
        for name in path.split("."):
            handle = getattr(handle, name)
        handle.value = number


@cocotb.test()
@cocotb.parametrize((("number", "function"), [tuple(run) for run in _PLAN["runs"]]))
async def mutant(dut: HierarchyObject, number: int, function: str) -> None:
    """One test of the bench against one mutant."""
    unit = _PLAN["unit"]
    test = getattr(import_module(f"{UNITS[unit].package}.{unit}_tests"), function)
    run: Callable[[HierarchyObject], Awaitable[None]] = test.func
    name = outcome_name(number, function)
    Path(STARTED).write_text(name)
    # Nobody handles LIMIT_SIGNAL: the system ends the process.
    signal.setitimer(signal.ITIMER_PROF, _PLAN["limit"])
    _choose(dut, number)
    try:
        await run(dut)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        for result in Path(RESULTS).glob("*.json"):
            result.replace(name)
