"""Spreads a campaign over workers and puts what they found together."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from distributed import Client, Future, as_completed

from penni_escalate.tb.base.finding import Finding
from penni_escalate.tb.flows.mutants.declarations import CONFIGURATIONS, Curated, tests_of, top_tests
from penni_escalate.tb.flows.mutants.drawing import DrawnFault
from penni_escalate.tb.flows.mutants.drawn import drawn_results
from penni_escalate.tb.flows.mutants.generated import generated_results
from penni_escalate.tb.flows.mutants.results import Result, judge
from penni_escalate.tb.flows.mutants.tasks import check_top, curated_bench, curated_top


@dataclass(frozen=True)
class Parts:
    """Which mutants a campaign runs.

    Attributes:
        drawn: the faults of each unit that a seed chose.
    """

    curated: bool = True
    generated: bool = True
    drawn: Mapping[str, Sequence[DrawnFault]] = field(default_factory=dict)


def _submit(client: Client, units: Mapping[str, Curated], parts: Parts) -> dict[Future, tuple[str, str, str]]:
    """Start every task; what each is: its part, unit and mutant. Those that take longest come first."""
    futures: dict[Future, tuple[str, str, str]] = {}

    def start(part: str, unit: str, mutant: str, task: Callable[..., object], *arguments: object) -> None:
        key = f"{part}-{unit}-{mutant}-{os.getpid()}"
        futures[client.submit(task, *arguments, key=key)] = (part, unit, mutant)

    if parts.generated:
        for unit in units:
            start("generated", unit, "", generated_results, unit)
    for unit, faults in parts.drawn.items():
        start("drawn", unit, "", drawn_results, unit, faults)
    for test, configuration in _baselines(units, parts):
        start("baseline", test.partition(".")[0], f"{configuration}:{test}", check_top, test, configuration)
    if parts.curated:
        for unit, curated in units.items():
            start("bench", unit, "", curated_bench, unit, curated)
            for test in top_tests(unit, curated.tests):
                for mutant in curated.mutants:
                    start("top", unit, f"{mutant.name}:{test}", curated_top, test, unit, mutant)
    return futures


def _baselines(units: Mapping[str, Curated], parts: Parts) -> tuple[tuple[str, str], ...]:
    """Tests that build their design anew for each mutant of some unit: they must pass without a mutant.

    Each with a configuration that the mutants are of.
    """
    found: list[tuple[str, str]] = []
    for unit, curated in units.items():
        if parts.curated:
            found += product(top_tests(unit, curated.tests), curated.configurations)
        if parts.drawn.get(unit):
            found += product(top_tests(unit, tests_of(unit)), CONFIGURATIONS[:1])
    return tuple(dict.fromkeys(found))


def tasks_of(units: Mapping[str, Curated], parts: Parts) -> int:
    """How many tasks a campaign has."""
    anew = sum(len(curated.mutants) * len(top_tests(unit, curated.tests)) for unit, curated in units.items())
    of_curated = parts.curated * (len(units) + anew)
    return parts.generated * len(units) + len(parts.drawn) + len(_baselines(units, parts)) + of_curated


def run_campaign(
    client: Client, units: Mapping[str, Curated], parts: Parts, advance: Callable[[], None] = lambda: None
) -> list[Result]:
    """Run the mutants of some units; ``advance`` is called after each task.

    Raises UserError where something cannot be run, or a test fails without a mutant.
    """
    futures = _submit(client, units, parts)
    findings: dict[tuple[str, str], list[Finding]] = {}
    chosen: dict[str, list[Result]] = {}
    try:
        for future in as_completed(futures):
            part, unit, name = futures[future]
            found = future.result()
            if part in ("generated", "drawn"):
                chosen.setdefault(unit, []).extend(found)
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
        results += chosen.get(unit, ())
    return results
