"""Tasks of a campaign, each for one worker: everything about a mutant or about one simulation of many."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from penni_escalate.common.paths import BUILD
from penni_escalate.common.shared_folder import locked
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.bench import TopBench, bench_of
from penni_escalate.tb.base.finding import Finding, check_baseline
from penni_escalate.tb.flows.mutants.declarations import (
    CONFIGURATIONS,
    Curated,
    Mutant,
    bench_tests,
    configuration,
    mutated,
)

FOLDER = BUILD / "mutants"


def curated_bench(unit: str, curated: Curated, folder: Path = FOLDER) -> dict[str, list[Finding]]:
    """The tests of the unit's own bench against its curated mutants, by name.

    Raises UserError where one fails without a mutant, or a mutant's text is not there.
    """
    found: dict[str, list[Finding]] = {}
    for name in curated.configurations:
        chosen = [mutant for mutant in curated.mutants if mutant.configuration == name]
        texts = [mutated(mutant, unit)[file_name(unit)] for mutant in chosen]
        place = folder / "curated" / name / unit
        own = bench_findings(unit, curated.tests, curated.transactions, texts, place, configuration(name))
        found |= {mutant.name: findings for mutant, findings in zip(chosen, own, strict=True)}
    return found


def bench_findings(
    unit: str,
    tests: Sequence[str],
    transactions: int,
    texts: Sequence[str],
    place: Path,
    config: Accelerator | None = None,
) -> list[list[Finding]]:
    """What those of the tests that are the unit's own bench's say of its Verilog with a mutant each.

    Raises UserError where one fails without a mutant.
    """
    own = bench_tests(unit, tests)
    if not own or not texts:
        return [[] for _ in texts]
    baseline, *found = bench_of(unit).curated(config or configuration(), unit, own, transactions, texts, place)
    check_baseline(unit, baseline)
    return [list(findings) for findings in found]


def curated_top(test: str, unit: str, mutant: Mutant, folder: Path = FOLDER) -> Finding:
    """A test of a bench whose design holds the unit, against one curated mutant.

    Raises UserError where the mutant's text is not there.
    """
    config = configuration(mutant.configuration)
    return top_finding(test, mutated(mutant, unit), f"{unit}.{mutant.name}", folder, config)


def check_top(test: str, name: str = CONFIGURATIONS[0], folder: Path = FOLDER) -> None:
    """Raises UserError where a test of a bench whose design holds units fails without a mutant."""
    config, top = configuration(name), test.partition(".")[0]
    check_baseline(top, [top_finding(test, render(config), f"{name}-{top}", folder, config)])


def top_finding(
    test: str, files: Mapping[str, str], name: str, folder: Path, config: Accelerator | None = None
) -> Finding:
    """What a test of a bench whose design is built anew for each mutant says of the generated files with a mutant."""
    bench = bench_of(test.partition(".")[0])
    assert isinstance(bench, TopBench)
    place = folder / "core" / name
    # Each is of use once, and there are many: it is removed by whom it is made.
    with locked(place):
        finding = bench.detect(config or configuration(), test, files, place)
        shutil.rmtree(place)
    return finding
