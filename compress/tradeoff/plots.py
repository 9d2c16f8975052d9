"""The trade-off as a plot: score against each cost, with the Pareto front."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from penni_escalate.common.figures import Plot, draw_plot
from penni_escalate.compress.tradeoff.front import Cost, pareto_front
from penni_escalate.compress.tradeoff.record import Point

#: Apart in hue and in lightness, for readers who do not see all colours.
_FRONT, _OTHER = "#1f5fa8", "#d9772b"
_COLUMNS = 2


def draw_tradeoff(network: str, measure: str, points: Sequence[Point], costs: Mapping[str, Cost]) -> Plot:
    """One panel a cost; filled points on the line are the front."""
    return draw_plot(
        "tradeoff",
        f"{network}: {measure} against cost",
        "Filled: no other point has a score as high at a cost as low. Hollow: another has. Costs are for one image.",
        lambda: _draw(measure, points, costs),
    )


def standalone(plot: Plot) -> str:
    """The SVG as a file of its own, black on white."""
    svg = plot.svg.replace("var(--line)", "#c8c8c8").replace("currentColor", "#000000")
    return svg.replace("<svg", '<svg font-family="DejaVu Sans, sans-serif"', 1).replace(
        'style="', 'style="background: #ffffff; ', 1
    )


def _draw(measure: str, points: Sequence[Point], costs: Mapping[str, Cost]) -> Figure:
    rows = -(-len(costs) // _COLUMNS)
    figure = Figure(figsize=(9.2, 3.3 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for axes, (title, cost) in zip(panels, costs.items(), strict=False):
        _panel(axes, title, cost, points)
        axes.set_ylabel(f"{measure} [%]" if measure == "accuracy" else measure)
    for axes in list(panels):
        axes.set_visible(False)
    return figure


def _panel(axes: Axes, title: str, cost: Cost, points: Sequence[Point]) -> None:
    front = pareto_front(points, cost)

    def place(point: Point) -> tuple[float, float]:
        return cost(point), 100 * point.score

    line = [place(point) for point in front]
    axes.plot([x for x, _ in line], [y for _, y in line], color=_FRONT, linewidth=1, drawstyle="steps-post")
    for point in points:
        on_front = point in front
        colour = _FRONT if on_front else _OTHER
        x, y = place(point)
        axes.scatter([x], [y], s=34, edgecolors=[colour], facecolors=[colour] if on_front else "none", zorder=3)
        axes.annotate(
            point.name, (x, y), textcoords="offset points", xytext=(0, 7 if on_front else -13), ha="center", fontsize=8
        )
    axes.margins(x=0.2, y=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel(title)
