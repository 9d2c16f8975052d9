"""A picture of the cycles round a failure in a recorded run: ports, what was expected, and the unit's registers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import pywellen
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from penni_escalate.common.figures import INK, Plot, draw_plot
from penni_escalate.rtl.names import module_name
from penni_escalate.tb.base.result import Wanted
from penni_escalate.tb.base.simulator import PERIOD_PS

#: Cycles, ports and registers that fit a page.
CYCLES = 16
PORTS = 18
REGISTERS = 10
#: Of the cycles, those that are shown of what followed the difference.
AFTER = 4
#: Bits of the widest register whose value says something in a picture.
WIDEST = 128
_BIT, _BUS, _UNKNOWN, _MARK, _EXPECTED = "#2f7fd6", "#d9772b", "#c22f2f", "#8e44ad", "#2c7a3f"
#: Names that say most, first.
_FIRST = ("valid", "ready", "room", "write", "eop", "last", "data", "values", "map")


class Kind(IntEnum):
    """What a row of the picture is, in the order from above."""

    INPUT = 0
    OUTPUT = 1
    EXPECTED = 2
    REGISTER = 3


@dataclass(frozen=True)
class Signal:
    """A row of the picture: ``changes`` are times with the value from then on; None: nothing is known."""

    name: str
    kind: Kind
    bits: int
    changes: Sequence[tuple[int, int | str | None]]


def wave_picture(
    path: Path, unit: str, name: str, detected_ps: int | None, check: str = "", wanted: Sequence[Wanted] = ()
) -> Plot | None:
    """The ports and registers of ``unit`` in the cycles round the difference; None where none were recorded.

    Args:
        detected_ps: when the difference was detected, from the recording's start; None where that is not known: the
            recording's end is shown.
        check: what fired: where it is a port, that is marked, as is what differs from what the model gave.
        wanted: what the model gave.
    """
    # The unit that is tested is nearer to the top than others of its kind.
    variables = sorted(pywellen.Waveform(str(path)).all_vars(), key=lambda variable: variable.full_name.count("."))
    found = _ports(variables, unit, wanted)
    if not found:
        return None
    marked = {check, *_differing(found, wanted)}
    ports = _chosen(found.values(), marked, wanted)
    begin, end = _window(detected_ps, _last_change(variables, ports))
    rows = _ordered([*ports, *_registers(variables, unit, begin, end)], _expected(wanted, ports))
    place = "the recording's end is shown, because no time of the difference is known"
    title = f"{unit} at the end of the recording"
    if detected_ps is not None:
        title = f"{unit} where it differs"
        place = (
            f"the line marks when the first difference was detected, at {detected_ps / 1000:g} ns, "
            f"the end of cycle {detected_ps // PERIOD_PS - 1}"
        )
    if any(row.name in marked for row in ports):
        place += "; red and with an arrow: what differs"
    if wanted:
        place += "; green: what the model gave"
    return draw_plot(
        name,
        title,
        f"From {path.name}, a cycle is {PERIOD_PS // 1000} ns, counted from the recording's begin; {place}. "
        "Ports first, then the unit's registers.",
        lambda: _draw(rows, begin, end, detected_ps, marked),
    )


def _window(detected_ps: int | None, last: int) -> tuple[int, int]:
    """First and last time that are shown of a recording that ends at ``last``."""
    middle = last if detected_ps is None else detected_ps
    # Where the recording ends sooner, or has not begun yet, more of the other side fits.
    end = min(last, max(middle + AFTER * PERIOD_PS, CYCLES * PERIOD_PS))
    return max(0, end - CYCLES * PERIOD_PS), max(end, middle)


def _last_change(variables: Sequence[Any], signals: Sequence[Signal]) -> int:
    """The recording's end, which the clock shows where ports do not change any more."""
    clock = next((int(v.tv[-1][0]) for v in variables if v.name in ("clk", "clk_i")), 0)
    return max(clock, *(signal.changes[-1][0] for signal in signals))


def _own(variable: Any, unit: str) -> tuple[bool, str]:
    """Whether a variable stands in the unit's instance, and its name in there."""
    scope, _, short = variable.full_name.rpartition(".")
    return scope.rpartition(".")[2] in (unit, module_name(unit), "u_core", f"u_{unit}"), short


def _ports(variables: Iterable[Any], unit: str, wanted: Sequence[Wanted]) -> dict[str, Signal]:
    """The unit's ports by name; of one of which the model gave a part, that part in its place."""
    found: dict[str, Signal] = {}
    for variable in variables:
        inside, short = _own(variable, unit)
        # The unit's own ports, as the wrapper names them, or those of the top or an instance.
        own = short.startswith(f"{unit}_") or inside
        if not own or not short.endswith(("_i", "_o")) or short.endswith("clk_i"):
            continue
        changes = [(int(time), value) for time, value in variable.tv]
        if changes:
            name = short.removeprefix(f"{unit}_")
            kind = Kind.OUTPUT if name.endswith("_o") else Kind.INPUT
            found.setdefault(name, Signal(name, kind, int(variable.bitwidth or 1), changes))
    parts = {value.name: value for value in wanted if value.bits is not None and value.signal in found}
    shown = {name: _part(found[value.signal], value) for name, value in parts.items()}
    whole = {value.signal for value in parts.values()}
    return {name: signal for name, signal in found.items() if name not in whole} | shown


def _part(signal: Signal, part: Wanted) -> Signal:
    """Some bits of a port."""
    bits, low = part.bits or signal.bits, part.low

    def of(value: int | str | None) -> int | str:
        if isinstance(value, int):
            return value >> low & (1 << bits) - 1
        # With unknown bits it is a text of all bits, the highest first.
        text = str(value)[signal.bits - low - bits : signal.bits - low]
        return int(text, 2) if set(text) <= {"0", "1"} else text

    return Signal(part.name, signal.kind, bits, [(time, of(value)) for time, value in signal.changes])


def _differing(ports: Mapping[str, Signal], wanted: Sequence[Wanted]) -> set[str]:
    """Ports that had another value than the model gave, right before the edge that ends a cycle."""

    def had(signal: Signal, time: int) -> int | str | None:
        return next((value for begin, value in reversed(signal.changes) if begin < time), None)

    return {v.name for v in wanted if v.name in ports and had(ports[v.name], v.time_ps) != v.value}


def _chosen(ports: Iterable[Signal], marked: set[str], wanted: Sequence[Wanted]) -> list[Signal]:
    """Those that fit a page: what differs first, then what the model gave something for."""
    known = {value.name for value in wanted}
    ordered = sorted(ports, key=lambda s: (s.name not in marked, s.name not in known, _rank(s.name), s.name))
    return ordered[:PORTS]


def _registers(variables: Iterable[Any], unit: str, begin: int, end: int) -> list[Signal]:
    """Registers of the unit, above all those that change in the cycles that are shown."""
    found: dict[str, Signal] = {}
    for variable in variables:
        inside, short = _own(variable, unit)
        bits = int(variable.bitwidth or 1)
        if inside and short.endswith("_q") and bits <= WIDEST:
            changes = [(int(time), value) for time, value in variable.tv]
            if changes:
                found.setdefault(short, Signal(short, Kind.REGISTER, bits, changes))

    def still(signal: Signal) -> bool:
        return not any(begin < time <= end for time, _ in signal.changes)

    return sorted(found.values(), key=lambda signal: (still(signal), signal.bits, signal.name))[:REGISTERS]


def _expected(wanted: Sequence[Wanted], ports: Sequence[Signal]) -> list[Signal]:
    """A row for each port of which the model's values are known; each value stands for its cycle."""
    bits = {signal.name: signal.bits for signal in ports}
    rows = []
    for name in dict.fromkeys(value.name for value in wanted):
        changes: list[tuple[int, int | str | None]] = []
        for value in sorted((v for v in wanted if v.name == name), key=lambda v: v.time_ps):
            start = value.time_ps - PERIOD_PS
            if changes and changes[-1][0] == start:
                changes.pop()
            changes += [(start, value.value), (value.time_ps, None)]
        rows.append(Signal(name, Kind.EXPECTED, bits.get(name, 2), changes))
    return rows


def _ordered(signals: Sequence[Signal], expected: Sequence[Signal]) -> list[Signal]:
    """Inputs and outputs, each with what was expected of it below it, then registers."""
    by_name = {signal.name: signal for signal in expected}
    rows = []
    for signal in sorted(signals, key=lambda signal: (signal.kind, signal.name)):
        rows.append(signal)
        if signal.name in by_name:
            rows.append(by_name[signal.name])
    return rows


def _rank(name: str) -> int:
    return next((place for place, word in enumerate(_FIRST) if word in name), len(_FIRST))


def _draw(rows: Sequence[Signal], begin: int, end: int, detected_ps: int | None, marked: set[str]) -> Figure:
    figure = Figure(figsize=(12, 0.27 * len(rows) + 0.8), layout="constrained")
    axes = figure.subplots()
    for place, signal in enumerate(reversed(rows)):
        for start, stop, value in _pieces(signal, begin, end):
            if value is not None:
                draw = _draw_bit if signal.bits == 1 else _draw_bus
                draw(axes, place, start, stop, value, end - begin, signal.kind)
    labels = [_label(signal, marked) for signal in reversed(rows)]
    axes.set_yticks([place + 0.35 for place in range(len(rows))], labels, fontsize=7)
    for label, signal in zip(axes.get_yticklabels(), reversed(rows), strict=True):
        if signal.kind is Kind.EXPECTED:
            label.set_color(_EXPECTED)
        elif signal.name in marked:
            label.set_color(_UNKNOWN)
            label.set_fontweight("bold")
    axes.set_xlim(begin, end)
    axes.set_ylim(-0.2, len(rows))
    if detected_ps is not None:
        axes.axvline(detected_ps, color=_MARK, linewidth=1.6, linestyle="--", clip_on=False)
        for place, signal in enumerate(reversed(rows)):
            if signal.name in marked:
                axes.axhspan(
                    place - 0.1, place + 0.8, color=_UNKNOWN, alpha=0.09, linewidth=0,
                    xmin=max(0.0, (detected_ps - PERIOD_PS - begin) / (end - begin)),
                    xmax=(detected_ps - begin) / (end - begin),
                )  # fmt: skip
    ticks = range(-(-begin // PERIOD_PS) * PERIOD_PS, end + 1, PERIOD_PS)
    axes.set_xticks(list(ticks), [f"{tick // PERIOD_PS}" for tick in ticks], fontsize=7)
    axes.set_xlabel("cycle of the recording", fontsize=7)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    return figure


def _label(signal: Signal, marked: set[str]) -> str:
    if signal.kind is Kind.EXPECTED:
        return f"{signal.name} expected"
    return f"\N{BLACK RIGHT-POINTING TRIANGLE} {signal.name}" if signal.name in marked else signal.name


def _pieces(signal: Signal, begin: int, end: int) -> Iterator[tuple[int, int, int | str | None]]:
    """Begin, end and value of what is to be seen of a signal."""
    for (start, value), (stop, _) in zip(signal.changes, [*signal.changes[1:], (end, None)], strict=True):
        if start < end and stop > begin:
            yield max(start, begin), min(stop, end), value


def _draw_bit(axes: Axes, row: int, start: int, stop: int, value: int | str, span: int, kind: Kind) -> None:
    unknown = str(value) not in ("0", "1")
    level = row + (0.35 if unknown else 0.7 * int(value))
    colour = _EXPECTED if kind is Kind.EXPECTED else _BIT
    axes.plot([start, stop], [level, level], color=_UNKNOWN if unknown else colour, linewidth=1.4)
    axes.plot([start, start], [row, row + 0.7], color=colour, linewidth=0.5)


def _draw_bus(axes: Axes, row: int, start: int, stop: int, value: int | str, span: int, kind: Kind) -> None:
    colour = _EXPECTED if kind is Kind.EXPECTED else _BUS
    axes.fill(
        [start, stop, stop, start], [row, row, row + 0.7, row + 0.7], facecolor="none", edgecolor=colour, linewidth=0.8
    )
    text = f"{value:x}" if isinstance(value, int) else str(value)
    room = int((stop - start) / span * 150)
    if room >= 2:
        text = text if len(text) <= room else f"{text[: room - 1]}…"
        axes.text((start + stop) / 2, row + 0.33, text, ha="center", va="center", fontsize=6, color=INK, clip_on=True)
