"""Adds up the regressions of the same sources: every run once, whichever suites it was in."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from penni_escalate.common.provenance import Provenance
from penni_escalate.tb.base.job import Variant
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.flows.catalog import catalog
from penni_escalate.tb.flows.regress.job_result import JobResult
from penni_escalate.tb.flows.regress.kept import called
from penni_escalate.tb.flows.regress.suite import signing

_RESULT = TypeAdapter(JobResult)
_PROVENANCE = TypeAdapter(Provenance)
#: Of several results of one run, the one that counts: a failure is not undone by another try, a crash says nothing.
_WEIGHT = {Verdict.CRASHED: 0, Verdict.PASSED: 1, Verdict.FAILED: 2}
#: Seeds that are all listed.
_FEW = 4


@dataclass(frozen=True)
class Run:
    """A run of the report.

    Attributes:
        hits: bins that it hit with their counts, by unit.
        suites: regressions that it was part of.
        log: its page below the site's folder; empty where no log was kept.
    """

    outcome: JobResult
    command: str
    hits: Mapping[str, Mapping[str, int]]
    suites: tuple[str, ...]
    log: str = ""

    @property
    def name(self) -> str:
        """Names the run as ``penni-escalate rerun`` takes it."""
        return self.outcome.job.name

    @property
    def test(self) -> str:
        """Its test."""
        return self.outcome.job.test

    @property
    def unit(self) -> str:
        """Whose test it is."""
        return self.test.partition(".")[0]

    @property
    def verdict(self) -> Verdict:
        """How it ended."""
        return self.outcome.result.verdict

    @property
    def ok(self) -> bool:
        """Whether it passed."""
        return self.outcome.result.ok

    @cached_property
    def anchor(self) -> str:
        """Its place in the page of its unit's runs."""
        return re.sub(r"[^\w.-]", "-", f"run-{self.name}")

    @property
    def page(self) -> str:
        """The page of its unit's runs, with its place in it."""
        return f"{self.unit}-runs.html#{self.anchor}"

    @property
    def seeds(self) -> str:
        """The seeds that it took."""
        job, test = self.outcome.job, catalog().get(self.test)
        last = job.seed + job.size - 1
        return f"{job.seed} to {last}" if test is not None and test.seeds_in_turn and last > job.seed else f"{job.seed}"

    @property
    def where(self) -> str:
        """Configuration, simulator, and the variant where it is no plain one."""
        job = self.outcome.job
        return f"{job.configuration} {job.simulator}" + (f" {job.variant}" if job.variant is not Variant.PLAIN else "")

    @property
    def length(self) -> tuple[float, ...]:
        """Orders failed runs by how much must be looked at."""
        return self.outcome.length

    @property
    def dump(self) -> Path | None:
        """The recorded signals of its repetition; None where there are none."""
        return Path(self.outcome.waves) if self.outcome.waves else None


@dataclass(frozen=True)
class Regression:
    """A regression that the report adds up.

    Attributes:
        whole: all tests of the suite, with its own numbers of seeds.
        signs_off: a stage may rest on it: it is whole, and of a suite that is enough.
    """

    suite: str
    whole: bool
    signs_off: bool
    made: Provenance
    runs: int
    passed: int
    layers: int
    compared: int
    seconds: float
    resumed: int

    @property
    def name(self) -> str:
        """As sentences call it."""
        return called(self.suite, self.whole)


def regressions_of(documents: Iterable[Mapping[str, Any]]) -> list[Regression]:
    """The regressions, in the documents' order."""
    found, enough = [], signing()
    for entry in documents:
        fields = {key: entry[key] for key in ("suite", "whole", "runs", "passed", "layers", "compared", "seconds")}
        signs_off = entry["whole"] and entry["suite"] in enough
        made = _PROVENANCE.validate_python(entry["made"])
        found.append(Regression(**fields, resumed=entry["resumed"], signs_off=signs_off, made=made))
    return found


def runs_of(documents: Sequence[Mapping[str, Any]]) -> list[Run]:
    """Every run of the regressions, newest first, once."""
    found: dict[str, Run] = {}
    for document in documents:
        for entry in document["jobs"]:
            run = Run(_RESULT.validate_python(entry), entry["command"], entry["hits"], (document["suite"],))
            held = found.get(run.name)
            if held is not None:
                suites = tuple(dict.fromkeys(held.suites + run.suites))
                # Of equal weight the newer one stays.
                run = replace(max(held, run, key=lambda one: _WEIGHT[one.verdict]), suites=suites)
            found[run.name] = run
    return list(found.values())


def seeds_in_words(seeds: Iterable[int]) -> str:
    """Seeds as they were; more than two at equal steps in one: ``1 to 20``, ``1 to 951 by 50``, ``3, 7, 20 to 22``."""
    ordered = sorted(set(seeds))
    parts, rest = [], ordered
    while rest:
        step = rest[1] - rest[0] if len(rest) > 1 else 0
        count = 1 + next((n for n, (a, b) in enumerate(pairwise(rest)) if b - a != step), len(rest) - 1)
        if count > 2 and not (step > 1 and len(ordered) <= _FEW):
            parts.append(f"{rest[0]} to {rest[count - 1]}" + (f" by {step}" if step > 1 else ""))
        else:
            count = 1
            parts.append(f"{rest[0]}")
        rest = rest[count:]
    return ", ".join(parts)
