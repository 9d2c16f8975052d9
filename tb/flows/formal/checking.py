"""Runs a proof and what guards it: covers that must be reached, and bugs that must make it fail."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, relative, stored
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render_template, render_unit
from penni_escalate.rtl.names import file_name, module_name
from penni_escalate.tb.base.result import Result, Verdict
from penni_escalate.tb.flows.formal.declarations import CHECKER_SUFFIX, ENGINES, Bug, Method, Proof
from penni_escalate.tb.flows.formal.sby import Answer, Finding, Mode, end_all, run_task
from penni_escalate.tb.flows.patch import replace_once
from penni_escalate.tb.flows.result_store import ResultFile

FOLDER = BUILD / "formal"
#: How an assertion begins, its label first.
ASSERTION = re.compile(r"\b(\w+): assert \(")
#: Seconds after which a task is given up, an error.
TIMEOUT = 600


class Outcome(StrEnum):
    """Outcome of a proof, guards included."""

    #: Holds in every cycle.
    PROVED = "proved"
    #: Holds for ``depth`` cycles from reset.
    BOUNDED = "bounded"
    #: A counterexample was found.
    FAILED = "failed"
    #: No counterexample, no proof: a tool failed, or gave up.
    ERROR = "error"
    #: Nothing contradicts it, but a cover is not reached or a seeded bug is not detected.
    VACUOUS = "vacuous"


#: What the outcomes amount to.
_VERDICTS = {
    Outcome.PROVED: Verdict.PASSED,
    Outcome.BOUNDED: Verdict.PASSED,
    Outcome.FAILED: Verdict.FAILED,
    Outcome.ERROR: Verdict.CRASHED,
    Outcome.VACUOUS: Verdict.FAILED,
}


class Seeded(StrEnum):
    """Whether the proof detects its seeded bugs."""

    CAUGHT = "caught"
    MISSED = "missed"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class ProofResult(Result):
    """What a proof came to, guards included; the test's name is the proof's, the tool its engine.

    Attributes:
        covers: labels that were reached.
        seconds: of all its tasks together.
        trace: waves of the counterexample, from the project's root; empty where there is none.
    """

    states: str
    method: Method
    depth: int
    outcome: Outcome
    covers: tuple[str, ...]
    seeded_bug: Seeded
    trace: str = ""


def _settled(result: ProofResult, outcome: Outcome, problem: str, **changes: Any) -> ProofResult:
    return replace(result, outcome=outcome, verdict=_VERDICTS[outcome], problem=problem, check=outcome, **changes)


#: What the proofs said; ``task_seconds`` are those of all tasks together, many of which ran side by side.
RESULT_FILE = ResultFile(
    name="formal.json",
    field="proofs",
    entry=ProofResult,
    part=lambda result: result.test,
    summary=lambda results: {"task_seconds": round(sum(result.seconds for result in results), 1)},
)


def instantiated(text: str) -> list[str]:
    """Units that a Verilog text instantiates."""
    return [unit for unit in UNITS if re.search(rf"^\s*{module_name(unit)}\s+(#\(|\w+\s*\()", text, re.MULTILINE)]


def generated(unit: str, config: Accelerator) -> str:
    """The Verilog of one unit."""
    return render_unit(unit, config)


def source_files(checker: str, top: str, config: Accelerator) -> dict[str, str]:
    """The generated files that a checker needs, then the checker, name to text."""
    texts: dict[str, str] = {}
    waiting = instantiated(checker)
    while waiting:
        unit = waiting.pop()
        if unit not in texts:
            texts[unit] = generated(unit, config)
            waiting += instantiated(texts[unit])
    return {**{file_name(unit): texts[unit] for unit in UNITS if unit in texts}, f"{top}.sv": checker}


def seed(files: Mapping[str, str], bug: Bug, proof: Proof) -> dict[str, str]:
    """The files with a bug.

    Raises UserError where the text that the bug replaces is not there, or there more than once.
    """
    where = f"Proof {proof.full_name}: seeded bug '{bug.what}'"
    return replace_once(files, bug.unit, bug.old, bug.new, proof.config, where)


def assert_alone(checker: str, bug: Bug, proof: Proof) -> str:
    """The checker with no assertion but the one that a bug names: the others become covers, which no search looks at.

    Raises UserError where no assertion, or more than one, has that label.
    """
    labels = re.findall(ASSERTION, checker)
    if labels.count(bug.fails) != 1:
        raise UserError(
            f"Proof {proof.full_name}: seeded bug '{bug.what}' names '{bug.fails}', which is the label of "
            f"{labels.count(bug.fails)} assertions: it must be that of one."
        )
    return re.sub(ASSERTION, lambda found: found[0] if found[1] == bug.fails else f"{found[1]}: cover (", checker)


@dataclass(frozen=True, eq=False)
class Task:
    """A run of sby on behalf of a proof; ``bug`` is empty where none is seeded."""

    proof: Proof
    mode: Mode
    bug: Bug | None = None
    number: int = 0

    @property
    def folder(self) -> str:
        """Name of its folder inside the proof's."""
        return f"bug_{self.number}" if self.bug else "cover" if self.mode is Mode.COVER else "proof"


def tasks_of(proof: Proof, *, guards: bool) -> list[Task]:
    """What is to be run for a proof, the proof itself first."""
    method = proof.declaration.method
    main = Task(proof, Mode.BMC if method is Method.BMC else Mode.PROVE)
    if not guards:
        return [main]
    # A seeded bug is looked for from reset: an induction that no longer closes would be no counterexample.
    bugs = [Task(proof, Mode.BMC, bug, number) for number, bug in enumerate(proof.declaration.bugs, 1)]
    return [main, Task(proof, Mode.COVER), *bugs]


def run_one(task: Task, folder: Path, timeout: int = TIMEOUT) -> tuple[Finding, float]:
    """Run a task in ``folder``; gives what it found and the seconds that it took."""
    proof = task.proof
    declaration = proof.declaration
    begin = time.perf_counter()
    top = declaration.checker.removesuffix(CHECKER_SUFFIX)
    checker = render_template(proof.folder, declaration.checker, proof.config)
    if task.bug:
        checker = assert_alone(checker, task.bug, proof)
    files = source_files(checker, top, proof.config)
    if task.bug:
        files = seed(files, task.bug, proof)
    if task.mode is Mode.COVER:
        engine, depth = ENGINES[Method.BMC], declaration.cover_depth
    elif task.bug:
        # The engine of a bounded proof must find the bug within the depth that the proof claims.
        bounded = declaration.method is Method.BMC
        engine = proof.engine if bounded else ENGINES[Method.BMC]
        depth = declaration.depth if bounded else declaration.cover_depth
    else:
        engine, depth = proof.engine, declaration.depth
    finding = run_task(folder, files, top, task.mode, depth, engine, timeout, declaration.split_memories)
    return finding, time.perf_counter() - begin


def _where(finding: Finding) -> str:
    where = f"assertion '{finding.failed}' fails in cycle {finding.step}" if finding.failed else "it fails"
    return where + (f", waves in {relative(finding.trace)}" if finding.trace else "")


def judge(proof: Proof, found: Mapping[Task, tuple[Finding, float]]) -> ProofResult:
    """Put a proof's findings together."""
    declaration = proof.declaration
    main = next(finding for task, (finding, _) in found.items() if task.folder == "proof")
    cover = next((finding for task, (finding, _) in found.items() if task.mode is Mode.COVER), None)
    bugs = {task.bug: finding for task, (finding, _) in found.items() if task.bug}
    missed = [bug.what for bug, finding in bugs.items() if finding.answer is Answer.PASS]
    outcome = Outcome.BOUNDED if declaration.method is Method.BMC else Outcome.PROVED
    result = ProofResult(
        unit=proof.unit,
        test=proof.name,
        config=proof.config.name,
        tool=proof.engine,
        verdict=_VERDICTS[outcome],
        states=declaration.states,
        method=declaration.method,
        depth=declaration.depth,
        outcome=outcome,
        covers=cover.reached if cover else (),
        seeded_bug=Seeded.NOT_RUN if not bugs else Seeded.MISSED if missed else Seeded.CAUGHT,
        seconds=round(sum(seconds for _, seconds in found.values()), 1),
    )
    if main.answer is Answer.FAIL:
        return _settled(result, Outcome.FAILED, _where(main), trace=stored(main.trace) if main.trace else "")
    if main.answer is not Answer.PASS:
        return _settled(result, Outcome.ERROR, _unsettled(main))
    unreached = [label for label in declaration.covers if cover and label not in cover.reached]
    if cover and cover.answer not in (Answer.PASS, Answer.FAIL):
        return _settled(result, Outcome.ERROR, f"covers: {_unsettled(cover)}")
    if unreached:
        return _settled(result, Outcome.VACUOUS, f"cover '{unreached[0]}' is not reached")
    if missed:
        return _settled(result, Outcome.VACUOUS, f"seeded bug '{missed[0]}' is not detected")
    for bug, finding in bugs.items():
        if finding.answer is not Answer.FAIL:
            problem = f"seeded bug '{bug.what}': {_unsettled(finding)}"
            return _settled(result, Outcome.ERROR, problem, seeded_bug=Seeded.MISSED)
    return result


def _unsettled(finding: Finding) -> str:
    reasons = {
        Answer.UNKNOWN: "neither proved nor refuted",
        Answer.TIMEOUT: "not settled in the time that a task has",
    }
    return reasons.get(finding.answer, finding.problem or "sby failed")


def run_proofs(
    proofs: Iterable[Proof],
    *,
    jobs: int,
    guards: bool = True,
    folder: Path = FOLDER,
    timeout: int = TIMEOUT,
    done: Callable[[], None] = lambda: None,
) -> list[ProofResult]:
    """Run proofs, ``jobs`` tasks at a time, a folder a proof inside ``folder``; results in the order of the proofs.

    Args:
        guards: run covers and seeded bugs as well.
        timeout: seconds that a task has.
        done: called after every task.
    """
    plan = {proof.full_name: tasks_of(proof, guards=guards) for proof in proofs}
    tasks = [task for group in plan.values() for task in group]
    # Proofs take longest; what is long begins first.
    tasks.sort(key=lambda task: task.folder != "proof")
    found: dict[Task, tuple[Finding, float]] = {}
    with ThreadPoolExecutor(jobs) as pool:
        running = {
            pool.submit(run_one, task, folder / task.proof.full_name / task.folder, timeout): task for task in tasks
        }
        try:
            for future in as_completed(running):
                found[running[future]] = future.result()
                done()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise
    return [judge(group[0].proof, {task: found[task] for task in group}) for group in plan.values()]
