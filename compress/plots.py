"""Plots of a network's page."""

from math import ceil, log

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from penni_escalate.common.figures import Plot, draw_plot
from penni_escalate.compress.view import StepRow, View

#: Readable on white and on near black.
_FIRST, _SECOND = "#2f7fd6", "#d9772b"
#: Layers that a legend can name; more are told by their colour's place in a scale.
_NAMED = 8
_WIDTH = 9.2


def plots(view: View) -> list[Plot]:
    """Every plot for which the view has numbers."""
    made = []
    if len({step.coded_bits for step in view.steps} - {None}) > 1:
        made.append(
            draw_plot(
                "steps",
                f"{view.measure.capitalize()} and sparsity against size",
                "Each point is the network after a step. Before quantization a weight counts 8 bits and a coefficient "
                "of a basis kernel one bit, and one more where it is not zero: what it will take.",
                lambda: _steps(view),
            )
        )
    if view.bases:
        made.append(
            draw_plot(
                "singular",
                "Singular values of the kernels",
                "Each line is a layer. Filled: retained by its basis kernels; hollow: truncated.",
                lambda: _singular(view),
            )
        )
    sparse = [(layer.name, layer.sparsity) for layer in view.layers if layer.sparsity is not None]
    if sparse:
        made.append(
            draw_plot(
                "sparsity",
                "Coefficient sparsity",
                "Share of zeros among a layer's ternary coefficients; those of channels that were sliced away count "
                "as zeros.",
                lambda: _bars(sparse, "coefficients that are zero [%]", _FIRST),
            )
        )
    active = [(x.name, x.activation_density) for x in view.layers if x.activation_density is not None]
    if active:
        made.append(
            draw_plot(
                "activations",
                "Activation density",
                f"Share of a layer's input codes that are not zero, over {view.images} held-out images.",
                lambda: _bars(active, "input codes that are not zero [%]", _SECOND),
            )
        )
    return made


def _steps(view: View) -> Figure:
    known = [step for step in view.steps if step.coded_bits is not None]
    figure = Figure(figsize=(_WIDTH, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    _path(upper, known, "score", 1, f"{view.measure} [0..1]", _FIRST)
    _path(lower, known, "sparsity", 100, "zero coefficients [%]", _SECOND)
    lower.set_ylim(-30, 130)
    lower.set_yticks(range(0, 101, 25))
    lower.set_xscale("log")
    sizes = [float(step.coded_bits or 1) / 1000 for step in known]
    lower.set_xlim(0.8 * min(sizes), 1.25 * max(sizes))
    lower.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    lower.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    lower.xaxis.set_minor_locator(NullLocator())
    lower.set_xlabel("coded size of all weights [kbit]")
    return figure


def _path(axes: Axes, steps: list[StepRow], field: str, factor: float, label: str, colour: str) -> None:
    points = [(float(step.coded_bits or 1) / 1000, factor * getattr(step, field), step.name) for step in steps]
    axes.plot([x for x, _, _ in points], [y for _, y, _ in points], color=colour, linewidth=1, alpha=0.5)
    axes.scatter([x for x, _, _ in points], [y for _, y, _ in points], color=colour, s=22, zorder=3)
    axes.set_ylabel(label)
    axes.margins(y=0.35)
    smallest, largest = min(x for x, _, _ in points), max(x for x, _, _ in points)
    for number, (x, y, names) in enumerate(_labels(points)):
        # Neighbours' labels may be longer than the way between them.
        above = number % 2 == 0
        place = log(x / smallest) / max(log(largest / smallest), 1e-9)
        side = "left" if place < 0.3 else "right" if place > 0.7 else "center"
        axes.annotate(names, (x, y), textcoords="offset points", xytext=(0, 7 if above else -14), ha=side, fontsize=8)


def _labels(points: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """One label for points that lie together: x is shown on a logarithmic scale; it stands at the leftmost point."""
    width = max(log(max(x for x, _, _ in points) / min(x for x, _, _ in points)), 1e-9)
    values = [y for _, y, _ in points]
    height = max(values) - min(values) or 1
    groups: list[list[tuple[float, float, str]]] = []
    for point in points:
        near = (
            group
            for group in groups
            if abs(log(point[0] / group[0][0])) < 0.1 * width and abs(point[1] - group[0][1]) < 0.15 * height
        )
        group = next(near, None)
        if group is None:
            groups.append([point])
        else:
            group.append(point)
    return [
        (min(x for x, _, _ in group), max(y for _, y, _ in group), ", ".join(name for _, _, name in group))
        for group in groups
    ]


def _singular(view: View) -> Figure:
    figure = Figure(figsize=(_WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    colours = colormaps["viridis"]
    count = len(view.bases)
    for place, layer in enumerate(view.bases):
        largest = max(layer.singular[0], 1e-300)
        values = [value / largest for value in layer.singular]
        colour = colours(0.25 + 0.6 * place / max(1, count - 1))
        numbers = range(1, len(values) + 1)
        axes.plot(numbers, values, color=colour, linewidth=1, label=layer.name)
        axes.scatter(numbers[: layer.rows], values[: layer.rows], color=[colour], s=16, zorder=3)
        axes.scatter(
            numbers[layer.rows :], values[layer.rows :], edgecolors=[colour], facecolors="none", s=16, zorder=3
        )
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("number of the singular value")
    axes.set_ylabel("singular value / largest")
    longest = max(len(layer.singular) for layer in view.bases)
    axes.set_xticks(range(1, longest + 1, ceil(longest / 12)))
    if count <= _NAMED:
        axes.legend(loc="upper right", fontsize=8)
    else:
        axes.text(
            1, 1, f"dark: {view.bases[0].name}; light: {view.bases[-1].name}", transform=axes.transAxes, ha="right"
        )
    return figure


def _bars(values: list[tuple[str, float]], label: str, colour: str) -> Figure:
    figure = Figure(figsize=(_WIDTH, 0.7 + 0.22 * len(values)), layout="constrained")
    axes = figure.subplots()
    places = range(len(values))
    axes.barh(places, [100 * value for _, value in values], height=0.7, color=colour)
    for place, (_, value) in zip(places, values, strict=True):
        axes.text(100 * value + 0.6, place, f"{100 * value:.1f}", va="center", fontsize=8)
    axes.set_yticks(places, [name for name, _ in values])
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlim(0, 107)
    axes.set_xticks(range(0, 101, 20))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)
    return figure
