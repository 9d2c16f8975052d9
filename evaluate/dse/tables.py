"""Tables of a sweep's outcome: speed, area and energy relative to the base."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from penni_escalate.evaluate.dse.fronts import Front
from penni_escalate.evaluate.dse.outcome import Costed, Outcome

#: Columns of numbers, of a geometric mean over the workloads.
_HEADINGS = ("speed", "area", "energy", "speed\n/ area")


def _table(outcome: Outcome, title: str, first: str, workloads: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=escape(title), title_justify="left", collapse_padding=True, pad_edge=False)
    table.add_column(first)
    for name in (*_HEADINGS, *workloads):
        drawn = "\n(drawn)" if name in outcome.drawn else ""
        # Narrow headings leave room for the changes.
        table.add_column(name.replace("-", "-\n") + drawn, justify="right", no_wrap=True)
    return table


def _numbers(point: Costed, base: Costed, workloads: Sequence[str]) -> Iterator[str]:
    """Geometric means, then the speed on each workload."""
    found = point.relative
    numbers = (None,) * 4 if found is None else (found.speed, found.area, found.energy, found.per_area)
    yield from ("-" if number is None else f"{number:.2f}" for number in numbers)
    for name in workloads:
        mine, its = point.workloads.get(name), base.workloads.get(name)
        if name in point.cannot_run:
            yield "cannot run"
        else:
            yield "-" if mine is None or its is None else f"{its.cycles / mine.cycles:.2f}"


def ablations_table(outcome: Outcome) -> Table:
    """What the base without a part of the design makes of speed, area and energy."""
    title = f"{outcome.base} without a part: speed, area, energy on the chip, relative to {outcome.base}"
    table = _table(outcome, title, "without", outcome.workloads)
    base = outcome.points[0]
    for name in outcome.ablations:
        for point in outcome.members(f"ablation: {name}"):
            label = f"{name} (model only)" if point.model_only else name
            table.add_row(label, *_numbers(point, base, outcome.workloads))
    return table


def series_tables(outcome: Outcome) -> list[Table]:
    """One field, or a few, after the other; the base's row stands first in each."""
    base = outcome.points[0]
    tables = []
    for name in outcome.series:
        title = f"{name}: speed, area, energy on the chip, relative to {outcome.base}"
        table = _table(outcome, title, "changes", outcome.workloads)
        table.add_row(base.label, *_numbers(base, base, outcome.workloads))
        for point in outcome.members(f"series: {name}"):
            table.add_row(point.label, *_numbers(point, base, outcome.workloads))
        tables.append(table)
    return tables


#: How a front is named in a table.
_LETTERS = {Front.AREA: "A", Front.ENERGY: "E", Front.PRODUCT: "P"}


def fronts_table(outcome: Outcome) -> Table:
    """Configurations on any front, the smallest first, the base with them."""
    meaning = ", ".join(f"{letter} = {front}" for front, letter in _LETTERS.items())
    title = f"on a front ({meaning}), relative to {outcome.base}"
    workloads = (*outcome.workloads, *outcome.on_front)
    table = _table(outcome, title, "changes", workloads)
    table.add_column("fronts")
    base = outcome.points[0]
    chosen = [point for n, point in enumerate(outcome.points) if n == 0 or point.fronts]
    for point in sorted(chosen, key=lambda point: point.area):
        letters = " ".join(_LETTERS[front] for front in point.fronts) or "-"
        table.add_row(point.label, *_numbers(point, base, workloads), letters)
    return table
