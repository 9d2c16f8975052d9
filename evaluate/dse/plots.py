"""Plots of a sweep's outcome, as SVG for pages: fronts as scatter plots, ablations and series as bars."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from penni_escalate.common.figures import GRID, INK, Plot, draw_plot
from penni_escalate.evaluate.dse.fronts import Front
from penni_escalate.evaluate.dse.outcome import Costed, Outcome, Relative

#: Okabe and Ito's blue, vermilion and green: told apart by the colour-blind, on white and on near black; each has a
#: marker or a hatch of its own besides.
_BLUE, _RED, _GREEN = "#0072b2", "#d55e00", "#009e73"
_WIDTH = 9.2


def plots(outcome: Outcome) -> list[Plot]:
    """Every plot for which the outcome has numbers; matplotlib is of the extra ``verify``."""
    workloads = ", ".join(f"{name} (drawn)" if name in outcome.drawn else name for name in outcome.workloads)
    about = f"Relative to preset {outcome.base}; geometric means over {workloads}."
    made = [
        draw_plot(
            f"dse-{word}",
            f"Speed against {what}",
            f"Each point is a configuration. {about} On the front: {_key(outcome, front)}.",
            lambda front=front: _scatter(outcome, front),  # type: ignore[misc]
        )
        for front, word, what in (
            (Front.AREA, "area", "area"),
            (Front.ENERGY, "energy", "energy on the chip"),
        )
    ]
    ablated = [(name, point) for name in outcome.ablations for point in outcome.members(f"ablation: {name}")]
    if ablated:
        named = [(f"{name}\n(model only)" if point.model_only else name, point) for name, point in ablated]
        made.append(
            draw_plot(
                "dse-ablations",
                "What a part of the design is worth",
                f"The preset without that part. {about}",
                lambda: _bars(named),
            )
        )
    for n, name in enumerate(outcome.series):
        several = [(point.label, point) for point in (outcome.points[0], *outcome.members(f"series: {name}"))]
        made.append(draw_plot(f"dse-series-{n}", name, about, lambda several=several: _bars(several)))  # type: ignore[misc]
    return made


def _place(point: Costed, front: Front) -> tuple[float, float]:
    """Cost and speed of a point, relative to the base."""
    found = point.relative
    assert found is not None
    return (found.area if front is Front.AREA else found.energy), found.speed


def _best(outcome: Outcome, front: Front) -> list[Costed]:
    """Points on a front, the least of area or energy first."""
    return sorted(outcome.front(front), key=lambda point: _place(point, front))


def _key(outcome: Outcome, front: Front) -> str:
    """What the numbers in a plot stand for: the changes are too long to stand there."""
    return "; ".join(f"{n}: {point.label}" for n, point in enumerate(_best(outcome, front), 1))


def _scatter(outcome: Outcome, front: Front) -> Figure:
    figure = Figure(figsize=(_WIDTH, 4.8), layout="constrained")
    axes = figure.subplots()
    counted = [point for point in outcome.points if point.relative is not None]
    best = _best(outcome, front)
    groups = (
        ("others", [p for p in counted if not p.model_only and front not in p.fronts], INK, ".", 0.35),
        ("model only", [p for p in counted if p.model_only], _RED, "x", 1.0),
        ("on the front", best, _BLUE, "o", 1.0),
        (f"{outcome.base}", counted[:1], _GREEN, "*", 1.0),
    )
    for label, points, colour, marker, alpha in groups:
        if points:
            x, y = zip(*(_place(point, front) for point in points), strict=True)
            size = 130 if marker == "*" else 30
            axes.scatter(x, y, s=size, c=colour, marker=marker, alpha=alpha, linewidths=1, label=label, zorder=3)
    # Between two points of a front nothing is known to be had but the slower one's speed.
    x, y = zip(*(_place(point, front) for point in best), strict=True)
    axes.plot(x, y, drawstyle="steps-post", color=_BLUE, linewidth=1)
    for n, point in enumerate(best, 1):
        axes.annotate(f"{n}", _place(point, front), textcoords="offset points", xytext=(-4, 6), ha="right", fontsize=8)
    cost = "area" if front is Front.AREA else "energy on the chip"
    axes.set_xlabel(f"{cost}, {outcome.base} = 1")
    axes.set_ylabel(f"speed, {outcome.base} = 1")
    for scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
        scale("log")
        axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=20))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.legend(loc="lower right")
    return figure


def _bars(points: Sequence[tuple[str, Costed]]) -> Figure:
    """Speed, area and energy beside one another, for each of some configurations that were counted."""
    known: list[tuple[str, Relative]] = [(name, p.relative) for name, p in points if p.relative is not None]
    figure = Figure(figsize=(_WIDTH, 0.55 * len(known) + 1.2), layout="constrained")
    axes = figure.subplots()
    measures = (("speed", _BLUE, ""), ("area", _RED, "///"), ("energy", _GREEN, "..."))
    for n, (measure, colour, hatch) in enumerate(measures):
        places = [place + 0.26 * (n - 1) for place in range(len(known))]
        values = [getattr(relative, measure) for _, relative in known]
        axes.barh(places, values, height=0.24, color=colour, hatch=hatch, edgecolor=GRID, linewidth=0, label=measure)
        _values(axes, places, values)
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(known)), [name for name, _ in known])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("relative to the preset")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _values(axes: Axes, places: Sequence[float], values: Sequence[float]) -> None:
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.2f}", (value, place), textcoords="offset points", xytext=(3, 0), va="center", fontsize=7
        )
