"""Tasks of a campaign, each for one worker: everything about a mutant or about one simulation of many."""

import shutil
from collections.abc import Mapping
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
    tests = bench_tests(unit, curated.tests)
    if not tests or not curated.mutants:
        return {mutant.name: [] for mutant in curated.mutants}
    config, files = configuration(), render(configuration())
    texts = [mutated(files, unit, mutant, config)[file_name(unit)] for mutant in curated.mutants]
    place = folder / "curated" / unit
    baseline, *found = bench_of(unit).curated(config, unit, tests, curated.transactions, texts, place)
    check_baseline(unit, baseline)
    return {mutant.name: list(own) for mutant, own in zip(curated.mutants, found, strict=True)}


def curated_top(test: str, unit: str, mutant: Mutant | None, folder: Path = FOLDER) -> Finding:
    """A test of a bench whose design holds the unit, against one curated mutant, or against none.

    Raises UserError where it fails without a mutant, or the mutant's text is not there.
    """
    config = configuration()
    files: Mapping[str, str] = render(config)
    top = test.partition(".")[0]
    bench = bench_of(top)
    assert isinstance(bench, TopBench)
    place = folder / "core" / (f"{unit}.{mutant.name}" if mutant else top)
    if mutant:
        files = mutated(files, unit, mutant, config)
    # Each is of use once, and there are many: it is removed by whom it is made.
    with locked(place):
        finding = bench.detect(config, test, files, place)
        if mutant is None:
            check_baseline(unit, [finding])
        shutil.rmtree(place)
    return finding
