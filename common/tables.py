"""Tables of numbers: one set of columns for the console, the CSV files and the pages."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as ConsoleTable

#: Between sizes.
TIMES = "\N{MULTIPLICATION SIGN}"
#: What stands where a number is not known or does not exist.
ABSENT = "-"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        field: attribute of a row, and the name in CSV.
        heading: with its unit, '' where it counts.
        form: of a value that is not None.
        left: text, aligned left.
    """

    field: str
    heading: str
    form: Callable[[Any], str]
    unit: str = ""
    left: bool = False

    @property
    def title(self) -> str:
        """Heading with unit, as plain text."""
        return f"{self.heading} [{self.unit}]" if self.unit else self.heading

    def text(self, row: object) -> str:
        """A row's value as it is shown."""
        value = getattr(row, self.field)
        return ABSENT if value is None else self.form(value)


def integer(value: float) -> str:
    """With thousands separators."""
    return f"{value:,.0f}"


def share(value: float) -> str:
    """In percent."""
    return f"{100 * value:.1f}"


def fixed(places: int) -> Callable[[float], str]:
    """With so many decimal places."""
    return lambda value: f"{value:,.{places}f}"


def shape(value: Sequence[int]) -> str:
    """Sizes with a times sign between them."""
    return TIMES.join(map(str, value))


def text_rows(columns: Sequence[Column], rows: Sequence[object]) -> list[list[str]]:
    """Every row as text."""
    return [[column.text(row) for column in columns] for row in rows]


def csv_text(columns: Sequence[Column], rows: Sequence[object]) -> bytes:
    """A CSV file: field names, then raw values; nothing where one is not known, sizes as 3x3."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.field for column in columns])
    for row in rows:
        writer.writerow([_raw(getattr(row, column.field)) for column in columns])
    return buffer.getvalue().encode()


def _raw(value: object) -> object:
    return "x".join(map(str, value)) if isinstance(value, tuple) else value


def print_table(console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; a file or pipe gets it as wide as it is, for a number that is cut short is a wrong one."""
    table = ConsoleTable(title=title, title_justify="left")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    needed = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    if needed > console.width and not console.is_terminal:
        console = Console(file=console.file, width=needed)
    console.print(table)
