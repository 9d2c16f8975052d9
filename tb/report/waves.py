"""A picture of the last cycles of a recorded run, for the page of failures."""

from collections.abc import Sequence
from pathlib import Path

import pywellen
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.figures import INK, Plot, draw_plot

#: Cycles and signals that fit a page.
CYCLES = 16
SIGNALS = 18
_PERIOD_PS = 10_000
_BIT, _BUS = "#2f7fd6", "#d9772b"
#: Names that say most, first.
_FIRST = ("valid", "ready", "room", "write", "eop", "last", "data")


def wave_picture(path: Path, unit: str, name: str) -> Plot | None:
    """The ports of ``unit`` in the last cycles before a recording ends; None where it holds none of them."""
    signals = _signals(path, unit)
    if not signals:
        return None
    end = max(changes[-1][0] for _, _, changes in signals)
    begin = max(0, end - CYCLES * _PERIOD_PS)
    return draw_plot(
        name,
        f"The last {CYCLES} cycles of {unit}",
        f"From {path.name}; a cycle is {_PERIOD_PS // 1000} ns; the difference was noticed at the right edge.",
        lambda: _draw(signals, begin, end),
    )


#: Name, bits, and time with value of each change.
Signal = tuple[str, int, list[tuple[int, int | str]]]


def _signals(path: Path, unit: str) -> list[Signal]:
    found: dict[str, Signal] = {}
    for variable in pywellen.Waveform(str(path)).all_vars():
        scope, _, short = variable.full_name.rpartition(".")
        # The unit's own ports, as the wrapper names them, or those of an instance in the core.
        own = short.startswith(f"{unit}_") or scope.endswith(("u_core", f"u_{unit}"))
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


def _draw(signals: Sequence[Signal], begin: int, end: int) -> Figure:
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
    ticks = range(begin, end + 1, 2 * _PERIOD_PS)
    axes.set_xticks(list(ticks), [f"{tick / 1000:.0f}" for tick in ticks], fontsize=7)
    axes.set_xlabel("ns", fontsize=7)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    return figure


def _draw_bit(axes: Axes, row: int, start: int, stop: int, value: int | str, span: int) -> None:
    unknown = str(value) not in ("0", "1")
    level = row + (0.35 if unknown else 0.7 * int(value))
    axes.plot([start, stop], [level, level], color="#c22f2f" if unknown else _BIT, linewidth=1.4)
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
