"""Runs the stream core's pyuvm tests from Python."""

import importlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD
from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import locked, written
from penni_escalate.configs.accelerator import Accelerator, as_fields
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import module_name
from penni_escalate.tb.base.result import Result, Verdict, Wanted, verdict_of
from penni_escalate.tb.base.simulator import Design, Simulator, folder_name, run, unended
from penni_escalate.tb.stream_core.env.names import COVERAGE, RECORD, SETTINGS
from penni_escalate.tb.stream_core.env.problems import ProblemKind

if TYPE_CHECKING:
    from penni_escalate.tb.stream_core.env.base_test import StreamCoreTest

HDL = Path(__file__).resolve().parent.parent / "hdl"
MODULE = "penni_escalate.tb.stream_core.uvm_tests"
RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class UvmResult(Result):
    """What a pyuvm test found; ``seen``: problems by kind, also those that a negative test provoked."""

    seen: Mapping[str, int]


def core_design(config: Accelerator, folder: Path, *, waves: bool = False) -> Design:
    """Write the Verilog of a stream core into a folder whose name begins with ``folder``; returns what to build."""
    files = render(config)
    place = written(folder, files)
    return core_top(config, tuple(place / name for name in files), waves=waves)


def core_top(config: Accelerator, sources: tuple[Path, ...], *, waves: bool = False) -> Design:
    """A stream core, of Verilog or a netlist, as the top itself."""
    return Design(
        top=module_name("stream_core"),
        config=config,
        sources=sources,
        controls=(HDL / "blocks.vlt", HDL / "stream_core.vlt"),
        waves=waves,
    )


def uvm_tests(simulator: Simulator) -> tuple[str, ...]:
    """Names of the pyuvm tests that a simulator can run, in order; Verilator has no X."""
    return tuple(
        name for name, found in _all_tests().items() if simulator is Simulator.ICARUS or not found.needs_unknown
    )


def _all_tests() -> "dict[str, type[StreamCoreTest]]":
    # Imported late: it costs a second.
    from penni_escalate.tb.stream_core.env.base_test import StreamCoreTest

    module = importlib.import_module(MODULE)
    return {
        name: found
        for name, found in vars(module).items()
        if isinstance(found, type) and issubclass(found, StreamCoreTest) and found.__module__ == MODULE
        if not name.startswith("_")
    }


def check_test(test: str, simulator: Simulator) -> None:
    """Raises UserError for a test that is not there, or that the simulator cannot run."""
    known = uvm_tests(simulator)
    if test in known:
        return
    if test in _all_tests():
        raise UserError(f"UVM test '{test}' needs a simulator that has X, {simulator} has not: use icarus.")
    raise UserError(f"UVM test '{test}' is not known: use one of {', '.join(known)}.")


def run_uvm(
    design: Design,
    simulator: Simulator,
    test: str,
    seed: int,
    layers: int,
    folder: Path,
) -> UvmResult:
    """Run one pyuvm test on a design that is built; leaves ``result.json`` and the functional coverage in ``folder``.

    Args:
        layers: random layers that the test runs.

    Raises UserError for a test that is not there, or that the simulator cannot run.
    """
    check_test(test, simulator)
    config = design.config
    settings = {"config": as_fields(config), "layers": layers}
    with locked(folder):
        for name in (RESULT, RECORD):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / COVERAGE.parent, ignore_errors=True)
        outcome = run(
            design,
            simulator,
            MODULE,
            folder,
            seed=seed,
            testcase=test,
            environment={SETTINGS: json.dumps(settings), "COCOTB_LOG_LEVEL": "WARNING"},
        )
        record = _record(folder)
    problem = record["problem"]
    verdict = verdict_of(not problem)
    if not problem and (outcome.failed or outcome.tests != 1):
        verdict, problem = Verdict.CRASHED, outcome.unended or unended(outcome.log).unended
    result = UvmResult(
        unit="stream_core",
        test=test,
        config=config.name,
        tool=simulator.value,
        seed=seed,
        size=layers,
        verdict=verdict,
        compared=record["compared"],
        transactions=layers,
        layers=layers,
        cycles=record["cycles"],
        seen=record["seen"],
        check=record["check"] or ("log" if problem else ""),
        problem=problem,
        detected_ps=record["detected_ps"],
        wanted=tuple(Wanted(**value) for value in record["wanted"]),
        nothing_to_compare=verdict is Verdict.PASSED and ProblemKind.NOTHING in record["seen"],
        seconds=round(record["seconds"], 2),
    )
    write_json(folder / RESULT, asdict(result))
    return result


def _record(folder: Path) -> dict:
    """What the test wrote; a test that did not get so far has failed."""
    try:
        return json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        empty: dict = {"problem": "", "check": "", "detected_ps": None, "wanted": [], "seen": {}}
        return empty | {"compared": 0, "cycles": 0, "seconds": 0.0}


def default_folder(test: str, config: Accelerator, simulator: Simulator, seed: int) -> Path:
    """Where a test runs that nobody gives a folder."""
    return BUILD / "uvm" / f"{folder_name(config)}_{simulator}" / f"{test}_{seed}"
