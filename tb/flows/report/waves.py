"""A picture of the cycles round a failure in a recorded run, for the page of failures."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pywellen
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from penni_escalate.common.figures import INK, Plot, draw_plot
from penni_escalate.tb.base.simulator import PERIOD_PS

#: Cycles and signals that fit a page.
CYCLES = 16
SIGNALS = 18
#: Of the cycles, those that are shown of what followed the difference.
AFTER = 4
_BIT, _BUS, _UNKNOWN, _MARK = "#2f7fd6", "#d9772b", "#c22f2f", "#8e44ad"
#: Names that say most, first.
_FIRST = ("valid", "ready", "room", "write", "eop", "last", "data", "values", "map")


def wave_picture(path: Path, unit: str, name: str, detected_ps: int | None) -> Plot | None:
    """The ports of ``unit`` in the cycles round the difference; None where the recording holds none of them.

    Args:
        detected_ps: when the difference was detected, from the recording's start; None where that is not known: the
            recording's end is shown.
    """
    # The unit that is tested is nearer to the top than others of its kind.
    variables = sorted(pywellen.Waveform(str(path)).all_vars(), key=lambda variable: variable.full_name.count("."))
    signals = _signals(variables, unit)
    if not signals:
        return None
    begin, end = _window(detected_ps, _last_change(variables, signals))
    title = f"{unit} at the end of the recording"
    place = "the recording's end is shown, because no time of the difference is known"
    if detected_ps is not None:
        title = f"{unit} where it differs"
        place = f"the line marks when the first difference was detected, at {detected_ps / 1000:g} ns"
    return draw_plot(
        name,
        title,
        f"From {path.name}, a cycle is {PERIOD_PS // 1000} ns; {place}.",
        lambda: _draw(signals, begin, end, detected_ps),
    )


def _window(detected_ps: int | None, last: int) -> tuple[int, int]:
    """First and last time that are shown of a recording that ends at ``last``."""
    middle = last if detected_ps is None else detected_ps
    # Where the recording ends sooner, or has not begun yet, more of the other side fits.
    end = min(last, max(middle + AFTER * PERIOD_PS, CYCLES * PERIOD_PS))
    return max(0, end - CYCLES * PERIOD_PS), max(end, middle)


#: Name, bits, and time with value of each change.
Signal = tuple[str, int, list[tuple[int, int | str]]]


def _last_change(variables: Sequence[Any], signals: Sequence[Signal]) -> int:
    """The recording's end, which the clock shows where ports do not change any more."""
    clock = next((int(v.tv[-1][0]) for v in variables if v.name in ("clk", "clk_i")), 0)
    return max(clock, *(changes[-1][0] for _, _, changes in signals))


def _signals(variables: Iterable[Any], unit: str) -> list[Signal]:
    found: dict[str, Signal] = {}
    for variable in variables:
        scope, _, short = variable.full_name.rpartition(".")
        # The unit's own ports, as the wrapper names them, or those of the top or an instance.
        own = short.startswith(f"{unit}_") or scope.rpartition(".")[2] in (unit, "u_core", f"u_{unit}")
        if not own or not short.endswith(("_i", "_o")) or short.endswith("clk_i"):
            continue
        changes = [(int(time), value) for time, value in variable.tv]
        if changes:
            name = short.removeprefix(f"{unit}_")
            found.setdefault(name, (name, int(variable.bitwidth or 1), changes))
    ranked = sorted(found.values(), key=lambda signal: (_rank(signal[0]), signal[0]))
    return sorted(ranked[:SIGNALS], key=lambda signal: (signal[0].endswith("_o"), signal[0]))


def _rank(name: str) -> int:
    return next((place for place, word in enumerate(_FIRST) if word in name), len(_FIRST))


def _draw(signals: Sequence[Signal], begin: int, end: int, detected_ps: int | None) -> Figure:
    figure = Figure(figsize=(9.2, 0.3 * len(signals) + 0.7), layout="constrained")
    axes = figure.subplots()
    for row, (_, bits, changes) in enumerate(reversed(signals)):
        shown = [(max(time, begin), value) for time, value in changes if time <= end]
        last_before = max((n for n, (time, _) in enumerate(changes) if time <= begin), default=0)
        shown = shown[last_before:]
        for (start, value), (stop, _) in zip(shown, [*shown[1:], (end, 0)], strict=True):
            if stop > start:
                (_draw_bit if bits == 1 else _draw_bus)(axes, row, start, stop, value, end - begin)
    axes.set_yticks([row + 0.35 for row in range(len(signals))], [name for name, _, _ in reversed(signals)], fontsize=7)
    axes.set_xlim(begin, end)
    if detected_ps is not None:
        axes.axvline(detected_ps, color=_MARK, linewidth=1.6, linestyle="--", clip_on=False)
    ticks = range(begin, end + 1, 2 * PERIOD_PS)
    axes.set_xticks(list(ticks), [f"{tick / 1000:.0f}" for tick in ticks], fontsize=7)
    axes.set_xlabel("ns", fontsize=7)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    return figure


def _draw_bit(axes: Axes, row: int, start: int, stop: int, value: int | str, span: int) -> None:
    unknown = str(value) not in ("0", "1")
    level = row + (0.35 if unknown else 0.7 * int(value))
    axes.plot([start, stop], [level, level], color=_UNKNOWN if unknown else _BIT, linewidth=1.4)
    axes.plot([start, start], [row, row + 0.7], color=_BIT, linewidth=0.5)


def _draw_bus(axes: Axes, row: int, start: int, stop: int, value: int | str, span: int) -> None:
    axes.fill(
        [start, stop, stop, start], [row, row, row + 0.7, row + 0.7], facecolor="none", edgecolor=_BUS, linewidth=0.8
    )
    text = f"{value:x}" if isinstance(value, int) else str(value)
    room = int((stop - start) / span * 90)
    if room >= 2:
        text = text if len(text) <= room else f"{text[: room - 1]}…"
        axes.text((start + stop) / 2, row + 0.33, text, ha="center", va="center", fontsize=6, color=INK, clip_on=True)
