"""A unit's bench against many mutants in one simulation."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.shared_folder import locked
from penni_escalate.configs.accelerator import as_fields
from penni_escalate.tb.base.finding import BROKEN, DIED, ENDLESS, Finding
from penni_escalate.tb.base.simulator import Simulator, run, unended
from penni_escalate.tb.units.lockstep.base import COVERAGE, RESULTS, SETTINGS
from penni_escalate.tb.units.mutants.designs import Choosable
from penni_escalate.tb.units.mutants.names import LIMIT_SIGNAL, PLAN, STARTED, outcome_name

MODULE = "penni_escalate.tb.units.mutants.session"
#: Everything random of every run follows from it.
SEED = 1
#: Seconds of computing after which a mutant does not come to an end: its logic turns in a circle within a cycle.
LIMIT = 60


def run_bench(
    mutants: Choosable, tests: Iterable[str], numbers: Iterable[int], transactions: int, folder: Path
) -> dict[int, list[Finding]]:
    """Run tests of a unit's bench against mutants, by number, of a design that is built.

    Args:
        tests: of one unit, as testplans name them.

    Where the simulator dies under a mutant, the others go on. Raises UserError where the simulation does not begin.
    """
    with locked(folder):
        return _run(mutants, tests, numbers, transactions, folder)


def _run(
    mutants: Choosable, tests: Iterable[str], numbers: Iterable[int], transactions: int, folder: Path
) -> dict[int, list[Finding]]:
    design = mutants.design
    functions = {test: test.partition(".")[2] for test in tests}
    unit = next(iter(functions)).partition(".")[0]
    shutil.rmtree(folder, ignore_errors=True)
    (folder / RESULTS).mkdir(parents=True)
    settings = {
        "config": as_fields(design.config),
        "layout": str((design.sources[0].parent / "layout.json").resolve()),
        "transactions": transactions,
    }
    runs = [(number, function) for number in numbers for function in functions.values()]
    found: dict[tuple[int, str], Finding] = {}
    names = {function: test for test, function in functions.items()}
    while waiting := [place for place in runs if place not in found]:
        plan = {"unit": unit, "runs": waiting, "choices": mutants.choices, "limit": LIMIT}
        environment = {SETTINGS: json.dumps(settings), PLAN: json.dumps(plan), "COCOTB_LOG_LEVEL": "ERROR"}
        (folder / STARTED).unlink(missing_ok=True)
        # Nobody counts it, and a folder of that name would hide the package from a simulation that begins here.
        shutil.rmtree(folder / COVERAGE, ignore_errors=True)
        outcome = run(design, Simulator.ICARUS, MODULE, folder, seed=SEED, environment=environment)
        if not (folder / STARTED).is_file():
            raise UserError(f"The simulation of the mutants of {unit} does not begin: see {relative(outcome.log)}.")
        last = (folder / STARTED).read_text()
        for place in waiting:
            path = folder / outcome_name(*place)
            if path.is_file():
                found[place] = _finding(names[place[1]], json.loads(path.read_text()))
            elif path.name == last and outcome.signal == LIMIT_SIGNAL:
                found[place] = Finding(names[place[1]], ENDLESS, f"it computes for more than {LIMIT} s without an end")
        for place in waiting:
            if outcome_name(*place) == last and place not in found:
                # What ended it was not the mutant: nothing was seen of that.
                found[place] = Finding(names[place[1]], DIED, outcome.unended or unended(outcome.log).unended)
    result: dict[int, list[Finding]] = {}
    for (number, _), finding in found.items():
        result.setdefault(number, []).append(finding)
    return result


def _finding(test: str, part: Mapping[str, object]) -> Finding:
    problem, check = str(part["problem"]), str(part["check"])
    return Finding(test, check or (BROKEN if problem else ""), problem, str(part["instance"]))
