"""What sign-off asks for, item by item: done, waived with a reason, open, failed; and the verdict that follows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from penni_escalate.tb.base.result import Verdict as RunVerdict
from penni_escalate.tb.flows.report.evidence import counted
from penni_escalate.tb.flows.report.facts import Facts
from penni_escalate.tb.flows.report.waivers import Standing
from penni_escalate.tb.flows.testplan import Campaign, Status


class State(StrEnum):
    """How an item stands."""

    DONE = "done"
    #: Done but for what is waived, each with its reason.
    WAIVED = "waived"
    OPEN = "open"
    FAILED = "failed"


@dataclass(frozen=True)
class Link:
    """A word with the page that shows more; none where there is no such page."""

    text: str
    page: str = ""


@dataclass(frozen=True)
class Item:
    """An item; ``links``: what it lacks, or what it rests on."""

    name: str
    state: State
    says: str
    links: tuple[Link, ...] = ()


class Verdict(StrEnum):
    """What the items amount to."""

    READY = "ready to sign"
    OPEN = "not complete"
    FAILED = "not acceptable"


def verdict_of(items: Iterable[Item]) -> Verdict:
    """Failed where an item has; open where one is."""
    states = {item.state for item in items}
    return Verdict.FAILED if State.FAILED in states else Verdict.OPEN if State.OPEN in states else Verdict.READY


def sentence_of(items: Sequence[Item]) -> str:
    """Why the verdict is what it is."""
    names = {state: [item.name.lower() for item in items if item.state is state] for state in State}
    parts = [f"{word}: {', '.join(names[state])}" for state, word in ((State.FAILED, "failed"), (State.OPEN, "open"))
             if names[state]]  # fmt: skip
    return "; ".join(parts) or "every item is done, or waived with a reason"


def checklist(facts: Facts) -> list[Item]:
    """The items in the order in which a reviewer asks."""
    return [make(facts) for make in _ITEMS]


def _sources(facts: Facts) -> Item:
    if facts.outdated:
        says = f"Of sources that have changed since: {', '.join(facts.outdated)}."
        return Item("Sources", State.OPEN, says, (Link("what each result is of", "index.html#origins"),))
    return Item("Sources", State.DONE, "Everything that there is was made from the sources as they are.")


def _commit(facts: Facts) -> Item:
    dirty = [origin.what for origin in facts.origins if origin.made is None or origin.made.dirty]
    if facts.made.dirty:
        dirty.append("this report")
    commits = ", ".join(dict.fromkeys(origin.made.commit for origin in facts.origins if origin.made))
    link = (Link("what each result is of", "index.html#origins"),)
    if dirty:
        return Item("Commit", State.OPEN, f"Made with uncommitted changes: {', '.join(dirty)}.", link)
    return Item("Commit", State.DONE, f"All is committed: {commits}.", link)


def _suite(facts: Facts) -> Item:
    names = [f"{entry.name} of {entry.made.when}" for entry in facts.regressions if entry.signs_off]
    if names:
        return Item("Suite", State.DONE, f"Stages rest on {', '.join(names)}.", (Link("suites", "index.html#origins"),))
    there = ", ".join(entry.name for entry in facts.regressions) or "no regression"
    says = f"There is {there}, and no whole run of {' or '.join(facts.signing)}: no stage rests on that."
    return Item("Suite", State.OPEN, says)


def _runs(facts: Facts) -> Item:
    wrong = [run for run in facts.runs if not run.ok]
    empty = [run for run in facts.runs if run.ok and not run.outcome.result.compared]
    silent = [run for run in empty if not run.outcome.result.nothing_to_compare]
    failed = [run for run in wrong if run.verdict is RunVerdict.FAILED] + silent
    links = tuple(Link(run.name, run.page) for run in sorted(wrong, key=lambda run: run.length) + silent)
    passed = f"{len(facts.runs) - len(wrong):,} of {len(facts.runs):,} runs passed"
    if silent:
        passed += f", {len(silent)} of which compared nothing and do not say that they should"
    state = State.FAILED if failed else State.OPEN if wrong or not facts.runs else State.DONE
    return Item("Runs", state, f"{passed}.", links)


def _testpoints(facts: Facts) -> Item:
    rows = [(unit, row) for unit in facts.units for row in unit.points]
    lacking = [(unit, row) for unit, row in rows if row.status is not Status.PASSED]
    failed = any(row.status is Status.FAILED for _, row in lacking)
    links = tuple(
        Link(f"{unit.unit}: {row.point.name} ({row.status.value})", f"{unit.unit}.html#testpoint-{row.point.name}")
        for unit, row in sorted(lacking, key=lambda pair: pair[1].status is not Status.FAILED)
    )
    says = f"{len(rows) - len(lacking)} of {len(rows)} testpoints have passed."
    return Item("Testpoints", State.FAILED if failed else State.OPEN if lacking else State.DONE, says, links)


def _bins(facts: Facts) -> Item:
    hit = sum(unit.functional.hit for unit in facts.units)
    total = sum(unit.functional.total for unit in facts.units)
    open_in = [unit for unit in facts.units if unit.functional.hit < unit.functional.total]
    links = tuple(
        Link(f"{unit.unit}: {unit.functional.total - unit.functional.hit} bins", f"{unit.unit}-bins.html")
        for unit in open_in
    )
    says = f"{hit:,} of {total:,} bins were hit."
    return Item("Functional coverage", State.OPEN if open_in else State.DONE, says, links)


def _code(facts: Facts) -> Item:
    lines = facts.results.get("code_coverage_lines")
    units = [unit for unit in facts.units if any(unit.code.values())]
    if lines is None or not units:
        return Item("Code coverage", State.OPEN, "Not run: make coverage.")
    lacking = [unit.unit for unit in facts.units if unit not in units]
    short = [unit for unit in facts.units if unit.shortfalls]
    links = tuple(Link(sentence, f"{unit.unit}.html#code") for unit in short for sentence in unit.shortfalls)
    if short:
        return Item("Code coverage", State.FAILED, f"Below a goal: {counted(len(links), 'figure')}.", links)
    if lacking:
        return Item("Code coverage", State.OPEN, f"Nothing was measured of {', '.join(lacking)}.")
    waived = sum(row.number > 0 for row in facts.waivers)
    if not waived:
        return Item("Code coverage", State.DONE, "Every goal is met in every configuration that is signed off.")
    says = f"Every goal is met, with {counted(waived, 'waiver')}, each with its reason."
    return Item("Code coverage", State.WAIVED, says, (Link("the waivers", "waivers.html"),))


def _waivers(facts: Facts) -> Item:
    shaky = [row for row in facts.waivers if row.standing is not Standing.STANDS]
    all_of_them = (Link("the waivers", "waivers.html"),)
    if shaky:
        kinds = {standing: sum(row.standing is standing for row in shaky) for standing in Standing}
        says = "; ".join(f"{number} {standing}" for standing, number in kinds.items() if number)
        return Item("Waivers", State.OPEN, f"Of {len(facts.waivers)}: {says}.", all_of_them)
    if facts.waivers:
        says = f"All {len(facts.waivers)} stand: the last judgement found what they are for, and nothing against them."
        return Item("Waivers", State.WAIVED, says, all_of_them)
    return Item("Waivers", State.DONE, "There are none.")


def _campaign(name: str, campaign: Campaign, anchor: str) -> Callable[[Facts], Item]:
    def make(facts: Facts) -> Item:
        asked = [unit for unit in facts.units if any(campaign in row.point.campaigns for row in unit.points)]
        found = {unit.unit: unit.campaigns.get(campaign, Status.NOT_RUN) for unit in asked}
        lacking = [unit for unit, status in found.items() if status is not Status.PASSED]
        links = tuple(Link(f"{unit}: {found[unit].value}", f"{unit}.html#{anchor}") for unit in lacking)
        says = f"Passed for {len(asked) - len(lacking)} of the {len(asked)} units that ask for it."
        if Status.FAILED in found.values():
            return Item(name, State.FAILED, says, links)
        if lacking:
            return Item(name, State.OPEN, says, links)
        waived = sum(row.kind == "mutant" for row in facts.waivers) if campaign is Campaign.MUTANTS else 0
        if waived:
            more = f" {counted(waived, 'mutant')} changed nothing that can be seen, each with a reason."
            return Item(name, State.WAIVED, says + more, (Link("the waivers", "waivers.html"),))
        return Item(name, State.DONE, says)

    return make


def _proofs(facts: Facts) -> Item:
    rows = [(unit, row) for unit in facts.units for row in unit.proofs]
    lacking = [(unit, row) for unit, row in rows if row.status is not Status.PASSED]
    failed = any(row.status is Status.FAILED for _, row in lacking)
    links = tuple(Link(f"{row.proof.full_name}: {row.word}", f"{unit.unit}.html#proofs") for unit, row in lacking)
    says = f"{len(rows) - len(lacking)} of {len(rows)} proofs hold, with their guards."
    return Item("Proofs", State.FAILED if failed else State.OPEN if lacking else State.DONE, says, links)


def _plans(facts: Facts) -> Item:
    if facts.unplanned:
        says = f"Tests that no testpoint names: {', '.join(facts.unplanned)}."
        return Item("Testplans", State.OPEN, says)
    return Item("Testplans", State.DONE, "A testpoint names every test.")


_ITEMS: tuple[Callable[[Facts], Item], ...] = (
    _sources,
    _commit,
    _suite,
    _runs,
    _testpoints,
    _bins,
    _code,
    _waivers,
    _campaign("Mutants", Campaign.MUTANTS, "mutants"),
    _proofs,
    _campaign("Gate level", Campaign.GATES, "gates"),
    _plans,
)
