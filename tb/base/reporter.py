"""Prints results of every kind in the same words, and ends a command as they ask for."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from penni_escalate.common.errors import UserError
from penni_escalate.tb.base.result import Result, Verdict

Kind = TypeVar("Kind", bound=Result)


class Column(NamedTuple, Generic[Kind]):
    """A column that results of a kind have besides those of all."""

    heading: str
    text: Callable[[Kind], str]


_STYLE = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.CRASHED: "bold red"}
#: Columns of numbers that every kind may have; one that is 0 everywhere is left out.
_NUMBERS = ("transactions", "layers", "compared", "cycles")


def print_results(
    console: Console, results: Sequence[Kind], columns: Sequence[Column[Kind]], command: Callable[[Kind], str]
) -> None:
    """The results, a row each; then each problem, with the command that repeats the run.

    Args:
        columns: that results of this kind have besides those of all.
        command: repeats a result's run.
    """
    table = Table(box=None)
    numbers = [name for name in _NUMBERS if any(getattr(result, name) for result in results)]
    # Names that go on below, not cut short: cut names of two configurations look the same.
    for heading in ("test", "configuration", "tool"):
        table.add_column(heading, overflow="fold")
    for heading in (*numbers, *(column.heading for column in columns)):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for result in results:
        table.add_row(
            result.name,
            result.config,
            result.tool,
            *(f"{getattr(result, name):,}" for name in numbers),
            *(escape(column.text(result)) for column in columns),
            f"[{_STYLE[result.verdict]}]{result.verdict}",
            f"{result.seconds:.2f}",
        )
    console.print(table)
    for result in results:
        if not result.ok:
            print_problem(console, f"{result.name} {result.verdict}", result.problem, command(result))


def print_problem(console: Console, what: str, problem: str, command: str) -> None:
    """What went wrong, and the command that repeats it, which is not folded: it is there to be copied."""
    console.print(f"\n{what}", style="bold", markup=False, highlight=False, soft_wrap=True)
    for line in (problem, f"Repeat with: {command}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def conclude(results: Sequence[Result], what: str, hint: str) -> None:
    """End the command with the exit status of its results: 1 where a design or a proof failed.

    Args:
        what: what there are several of, 'runs' or 'proofs'.
        hint: what to do about one that came to no verdict.

    Raises UserError where some came to no verdict and none failed.
    """
    if any(result.verdict is Verdict.FAILED for result in results):
        raise SystemExit(1)
    crashed = [result for result in results if result.verdict is Verdict.CRASHED]
    if crashed:
        problem = crashed[0].problem.splitlines()[0].rstrip(".")
        raise UserError(
            f"{len(crashed)} of {len(results)} {what} came to no verdict, {crashed[0].name} first ({problem}): {hint}."
        )
