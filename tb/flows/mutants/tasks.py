"""Tasks of a campaign, each for one worker: everything about a mutant or about one simulation of many."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from penni_escalate.common.paths import BUILD
from penni_escalate.common.shared_folder import locked
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.bench import TopBench, bench_of
from penni_escalate.tb.base.finding import Finding, check_baseline
from penni_escalate.tb.flows.mutants.declarations import CONFIG, Curated, Mutant, bench_tests, mutated

FOLDER = BUILD / "mutants"


def configuration() -> Accelerator:
    """Of which every mutant is."""
    return load_accelerator(str(CONFIG))


def curated_bench(unit: str, curated: Curated, folder: Path = FOLDER) -> dict[str, list[Finding]]:
    """The tests of the unit's own bench against its curated mutants, by name.

    Raises UserError where one fails without a mutant, or a mutant's text is not there.
    """
    config, files = configuration(), render(configuration())
    texts = [mutated(files, unit, mutant, config)[file_name(unit)] for mutant in curated.mutants]
    place = folder / "curated" / unit
    found = bench_findings(unit, curated.tests, curated.transactions, texts, place)
    return {mutant.name: own for mutant, own in zip(curated.mutants, found, strict=True)}


def bench_findings(
    unit: str, tests: Sequence[str], transactions: int, texts: Sequence[str], place: Path
) -> list[list[Finding]]:
    """What those of the tests that are the unit's own bench's say of its Verilog with a mutant each.

    Raises UserError where one fails without a mutant.
    """
    own = bench_tests(unit, tests)
    if not own or not texts:
        return [[] for _ in texts]
    baseline, *found = bench_of(unit).curated(configuration(), unit, own, transactions, texts, place)
    check_baseline(unit, baseline)
    return [list(findings) for findings in found]


def curated_top(test: str, unit: str, mutant: Mutant | None, folder: Path = FOLDER) -> Finding:
    """A test of a bench whose design holds the unit, against one curated mutant, or against none.

    Raises UserError where it fails without a mutant, or the mutant's text is not there.
    """
    config, files = configuration(), render(configuration())
    if mutant:
        return top_finding(test, mutated(files, unit, mutant, config), f"{unit}.{mutant.name}", folder)
    finding = top_finding(test, files, test.partition(".")[0], folder)
    check_baseline(unit, [finding])
    return finding


def top_finding(test: str, files: Mapping[str, str], name: str, folder: Path) -> Finding:
    """What a test of a bench whose design is built anew for each mutant says of the generated files with a mutant."""
    bench = bench_of(test.partition(".")[0])
    assert isinstance(bench, TopBench)
    place = folder / "core" / name
    # Each is of use once, and there are many: it is removed by whom it is made.
    with locked(place):
        finding = bench.detect(configuration(), test, files, place)
        shutil.rmtree(place)
    return finding
