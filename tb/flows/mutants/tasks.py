"""Tasks of a campaign, each for one worker: everything about a mutant or about one simulation of many."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD
from penni_escalate.common.shared_folder import locked
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.rtl.generator import TOP, render
from penni_escalate.tb.base.simulator import Simulator, build
from penni_escalate.tb.flows.mutants.benches import run_bench
from penni_escalate.tb.flows.mutants.core import core_design, run_core
from penni_escalate.tb.flows.mutants.declarations import CONFIG, CORE_TEST, Curated, Mutant, mutated
from penni_escalate.tb.flows.mutants.designs import curated_design
from penni_escalate.tb.flows.mutants.findings import Finding

FOLDER = BUILD / "mutants"


def configuration() -> Accelerator:
    """Of which every mutant is."""
    return load_accelerator(str(CONFIG))


def check_baseline(unit: str, findings: list[Finding]) -> None:
    """Raises UserError where a test fails without a mutant: then it says nothing of mutants."""
    for finding in findings:
        if finding.fired:
            raise UserError(
                f"Test '{finding.test}' fails without a mutant of {unit} ({finding.problem.splitlines()[0]}): "
                "put the design or the test right first."
            )


def curated_bench(unit: str, curated: Curated, folder: Path = FOLDER) -> dict[str, list[Finding]]:
    """The tests of the unit's own bench against its curated mutants, by name.

    Raises UserError where one fails without a mutant, or a mutant's text is not there.
    """
    tests = [test for test in curated.tests if test != CORE_TEST]
    if not tests or not curated.mutants:
        return {mutant.name: [] for mutant in curated.mutants}
    config, place = configuration(), folder / "curated" / unit
    mutants = curated_design(config, unit, render(config), curated.mutants, place / "rtl")
    build(mutants.design, Simulator.ICARUS)
    numbers = range(len(curated.mutants) + 1)
    found = run_bench(mutants, tests, numbers, curated.transactions, place / "run")
    check_baseline(unit, found[0])
    return {mutant.name: found[number] for number, mutant in enumerate(curated.mutants, 1)}


def curated_core(unit: str, mutant: Mutant | None, folder: Path = FOLDER) -> Finding:
    """The stream core's runs against one curated mutant, or against none.

    Raises UserError where they fail without a mutant, or the mutant's text is not there.
    """
    config = configuration()
    files: Mapping[str, str] = render(config)
    place = folder / "core" / (f"{unit}.{mutant.name}" if mutant else TOP)
    if mutant:
        files = mutated(files, unit, mutant, config)
    # Each is of use once, and there are many: it is removed by whom it is made.
    with locked(place):
        design = core_design(config, files, place)
        build(design, Simulator.ICARUS)
        finding = run_core(design, place / "run")
        if mutant is None:
            check_baseline(unit, [finding])
        shutil.rmtree(place)
    return finding
