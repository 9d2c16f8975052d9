"""Spreads a campaign over workers and puts what they found together."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from distributed import Client, Future, as_completed

from penni_escalate.tb.base.finding import Finding
from penni_escalate.tb.flows.mutants.declarations import Curated, top_tests
from penni_escalate.tb.flows.mutants.generated import generated_results
from penni_escalate.tb.flows.mutants.results import Result, judge
from penni_escalate.tb.flows.mutants.tasks import curated_bench, curated_top


@dataclass(frozen=True)
class Parts:
    """Which mutants a campaign runs."""

    curated: bool = True
    generated: bool = True


def _submit(client: Client, units: Mapping[str, Curated], parts: Parts) -> dict[Future, tuple[str, str, str]]:
    """Start every task; what each is: its part, unit and mutant. Those that take longest come first."""
    futures: dict[Future, tuple[str, str, str]] = {}

    def start(part: str, unit: str, mutant: str, task: Callable[..., object], *arguments: object) -> None:
        key = f"{part}-{unit}-{mutant}-{os.getpid()}"
        futures[client.submit(task, *arguments, key=key)] = (part, unit, mutant)

    if parts.generated:
        for unit in units:
            start("generated", unit, "", generated_results, unit)
    if parts.curated:
        for test in _top_tests(units):
            top = test.partition(".")[0]
            start("baseline", top, test, curated_top, test, top, None)
        for unit, curated in units.items():
            start("bench", unit, "", curated_bench, unit, curated)
            for test in top_tests(unit, curated.tests):
                for mutant in curated.mutants:
                    start("top", unit, f"{mutant.name}:{test}", curated_top, test, unit, mutant)
    return futures


def _top_tests(units: Mapping[str, Curated]) -> tuple[str, ...]:
    """Tests that build their design anew for each mutant of some unit."""
    found = (test for unit, curated in units.items() if curated.mutants for test in top_tests(unit, curated.tests))
    return tuple(dict.fromkeys(found))


def tasks_of(units: Mapping[str, Curated], parts: Parts) -> int:
    """How many tasks a campaign has."""
    anew = sum(len(curated.mutants) * len(top_tests(unit, curated.tests)) for unit, curated in units.items())
    return parts.generated * len(units) + parts.curated * (len(units) + anew + len(_top_tests(units)))


def run_campaign(
    client: Client, units: Mapping[str, Curated], parts: Parts, advance: Callable[[], None] = lambda: None
) -> list[Result]:
    """Run the mutants of some units; ``advance`` is called after each task.

    Raises UserError where something cannot be run, or a test fails without a mutant.
    """
    futures = _submit(client, units, parts)
    findings: dict[tuple[str, str], list[Finding]] = {}
    generated: dict[str, Sequence[Result]] = {}
    try:
        for future in as_completed(futures):
            part, unit, name = futures[future]
            found = future.result()
            if part == "generated":
                generated[unit] = found
            elif part == "top":
                findings.setdefault((unit, name.partition(":")[0]), []).append(found)
            elif part == "bench":
                for mutant, own in found.items():
                    # The unit's own bench has the first word.
                    findings[unit, mutant] = own + findings.get((unit, mutant), [])
            advance()
    finally:
        client.cancel(list(futures))
    results = []
    for unit, curated in units.items():
        if parts.curated:
            results += [judge(unit, mutant, findings[unit, mutant.name]) for mutant in curated.mutants]
        results += generated.get(unit, ())
    return results
