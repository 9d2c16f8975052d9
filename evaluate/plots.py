"""The paper's figures, drawn from an evaluation."""

from collections.abc import Sequence
from math import log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from penni_escalate.common.figures import INK, Plot, draw_plot
from penni_escalate.evaluate.documents import ASSUMPTIONS
from penni_escalate.evaluate.summary import ImageSize, Network, geomean, speedups
from penni_escalate.golden.baselines import BASELINES
from penni_escalate.golden.losses import Share
from penni_escalate.golden.workloads import PruningAssumption

#: Okabe and Ito's palette: told apart by the colour-blind, on white and on near black.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#b59b00", "#7a5195")
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo", "----", "****")
_WIDTH = 9.2

#: What the account's shares are drawn as: useful work, then losses of the same kind together.
GROUPS: tuple[tuple[str, tuple[Share, ...], str], ...] = (
    ("products", (Share.PRODUCTS,), "#0072b2"),
    ("additions", (Share.ADDITIONS,), "#56b4e9"),
    ("slowest row, adder lanes", (Share.SLOWEST_ROW, Share.ADDER_LANES), "#e69f00"),
    ("idle rows", (Share.IDLE_ROWS,), "#d55e00"),
    ("idle blocks and clusters", (Share.IDLE_BLOCKS, Share.OTHER_CLUSTER), "#cc79a7"),
    ("taps", (Share.TAPS,), "#7a5195"),
    ("beats, slowest block", (Share.BEATS, Share.OTHER_BLOCK, Share.INPUT), "#009e73"),
    ("load port, drain", (Share.LOAD_PORT, Share.DRAIN, Share.LINE), "#b59b00"),
    ("empty pixels, pipeline", (Share.EMPTY_PIXELS, Share.PIPELINE), "#999999"),
)
assert {share for _, shares, _ in GROUPS for share in shares} == set(Share)

#: Bytes a cycle between chip and DRAM, of the roofline.
BANDWIDTHS = (4, 16, 64)


def _label(network: Network) -> str:
    return f"{network.workload.name}{' (drawn)' if network.workload.drawn else ''}"


def _times(axes: Axes) -> None:
    """A logarithmic axis of factors, with a line at 1."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    ticks = [f * 10.0**e for e in range(-3, 4) for f in (1, 2, 5)]
    axes.set_yticks([tick for tick in ticks if low <= tick <= high])
    axes.axhline(1, color=INK, linewidth=0.8)


def _grouped(axes: Axes, names: Sequence[str], series: Sequence[tuple[str, list[float | None]]]) -> None:
    """Bars in groups on a scale of factors: a group a name, a bar a series; each begins at 1."""
    width = 0.84 / len(series)
    for place, (label, values) in enumerate(series):
        at = [n - 0.42 + width * (place + 0.5) for n in range(len(names))]
        known = [(x, value) for x, value in zip(at, values, strict=True) if value is not None]
        axes.bar(
            [x for x, _ in known],
            [value - 1 for _, value in known],
            bottom=1,
            width=0.94 * width,
            label=label,
            color=COLOURS[place % len(COLOURS)],
            hatch=_HATCHES[place % len(_HATCHES)],
            edgecolor="white",
            linewidth=0.3,
        )
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.grid(visible=False, axis="x")


def speedup_figure(networks: Sequence[Network]) -> Figure:
    """Speed-up over each rival on each network, and the geometric mean."""
    figure = Figure(figsize=(_WIDTH, 4.2), layout="constrained")
    axes = figure.subplots()
    series: list[tuple[str, list[float | None]]] = []
    for baseline in BASELINES:
        found = speedups(networks, baseline.name)
        values: list[float | None] = [found.get(network.workload.name) for network in networks]
        series.append((baseline.title, [*values, geomean(found.values())]))
    _grouped(axes, [*(_label(network) for network in networks), "geomean"], series)
    _times(axes)
    axes.set_ylabel("rival's cycles / cycles")
    axes.legend(ncols=5, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, 1.2))
    return figure


def energy_figure(networks: Sequence[Network]) -> Figure:
    """Energy of each machine, the accelerator's as 1, with and without DRAM."""
    figure = Figure(figsize=(_WIDTH, 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, on_chip in ((upper, False), (lower, True)):
        series = []
        for baseline in BASELINES:
            values: list[float | None] = []
            for network in networks:
                machine = network.machine(baseline.name)
                assert machine is not None
                own, rival = network.own_energy, machine.energy
                values.append(rival.on_chip / own.on_chip if on_chip else rival.total / own.total)
            series.append((baseline.title, [*values, geomean(v for v in values if v is not None)]))
        _grouped(axes, [*(_label(network) for network in networks), "geomean"], series)
        _times(axes)
        axes.set_ylabel(f"rival's energy / ours, {'without' if on_chip else 'with'} DRAM")
    upper.legend(ncols=5, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, 1.25))
    return figure


def _stacks(axes: Axes, names: Sequence[str], shares: Sequence[dict[Share, float]]) -> None:
    left = np.zeros(len(names))
    for n, (label, members, colour) in enumerate(GROUPS):
        values = np.array([sum(max(part[share], 0.0) for share in members) for part in shares])
        axes.barh(
            range(len(names)),
            100 * values,
            left=100 * left,
            height=0.78,
            color=colour,
            hatch=_HATCHES[n],
            edgecolor="white",
            linewidth=0.3,
            label=label,
        )
        left += values
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of all blocks' cycles [%]")


def losses_figure(networks: Sequence[Network]) -> Figure:
    """Where the cycles of each network go."""
    figure = Figure(figsize=(_WIDTH, 1.5 + 0.3 * len(networks)), layout="constrained")
    axes = figure.subplots()
    _stacks(axes, [_label(network) for network in networks], [network.own.shares() for network in networks])
    axes.legend(ncols=5, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.45, 1.25))
    return figure


def layers_figure(network: Network) -> Figure:
    """Where the cycles of each layer of a network go, and how many it has."""
    layers = network.layers
    figure = Figure(figsize=(_WIDTH, 1.5 + 0.22 * len(layers)), layout="constrained")
    shares, cycles = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    _stacks(shares, [layer.name for layer in layers], [layer.own.shares() for layer in layers])
    shares.legend(ncols=5, fontsize=7, loc="lower center", bbox_to_anchor=(0.6, 1.0))
    total = network.own.cycles
    parts = [100 * layer.own.cycles * layer.repeats / total for layer in layers]
    cycles.barh(range(len(layers)), parts, height=0.78, color="#999999")
    cycles.set_xlabel("of the network's cycles [%]")
    cycles.grid(visible=False, axis="y")
    return figure


def sizes_figure(networks: Sequence[Network]) -> Figure:
    """Small images against large ones: what the MACs and the adders do, and what is lost."""
    figure = Figure(figsize=(_WIDTH, 2.2), layout="constrained")
    axes = figure.subplots()
    names, shares = [], []
    for size in ImageSize:
        members = [network for network in networks if network.size is size]
        if members:
            names.append(f"{size.value} ({len(members)} networks)")
            shares.append({s: float(np.mean([network.own.shares()[s] for network in members])) for s in Share})
    _stacks(axes, names, shares)
    axes.legend(ncols=5, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.45, 1.5))
    return figure


def roofline_figure(networks: Sequence[Network], multipliers: int) -> Figure:
    """Dense multiplications that a cycle replaces, over those that a DRAM byte serves."""
    figure = Figure(figsize=(_WIDTH, 3.8), layout="constrained")
    axes = figure.subplots()
    points = [
        (n.dense_multiplications / n.own.counts.dram_bytes, n.dense_multiplications / n.own.cycles) for n in networks
    ]
    low, high = min(x for x, _ in points) / 2, max(x for x, _ in points) * 2
    for n, bandwidth in enumerate(BANDWIDTHS):
        xs = np.geomspace(low, high, 50)
        axes.plot(
            xs, bandwidth * xs, linewidth=1, color=COLOURS[n], linestyle=("-", "--", ":")[n],
            label=f"{bandwidth} bytes a cycle",
        )  # fmt: skip
    axes.axhline(multipliers, linewidth=1, color=INK, label="as many dense multipliers")
    for n, ((x, y), network) in enumerate(zip(points, networks, strict=True)):
        axes.scatter([x], [y], color=COLOURS[3], marker="s" if network.workload.drawn else "o", s=24, zorder=3)
        axes.annotate(_label(network), (x, y), textcoords="offset points", xytext=(5, 4 if n % 2 else -9), fontsize=7.5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    top = max(multipliers, max(y for _, y in points))
    axes.set_ylim(min(y for _, y in points) / 3, 10 ** (log10(top) + 0.5))
    axes.set_xlabel("dense multiplications a DRAM byte")
    axes.set_ylabel("dense multiplications a cycle")
    axes.legend(fontsize=7.5, loc="lower right")
    return figure


def sensitivity_figure(networks: Sequence[Network], rival: str) -> Figure:
    """Speed-up over one rival on all terms."""
    figure = Figure(figsize=(_WIDTH, 3.6), layout="constrained")
    axes = figure.subplots()
    kinds = [(f"weights {ASSUMPTIONS[a]}", speedups(networks, rival, assumption=a)) for a in PruningAssumption]
    kinds.append(("shrunk widths", speedups(networks, rival, original=False)))
    kinds.append(("equal logic area", speedups(networks, rival, equal_area=True)))
    series: list[tuple[str, list[float | None]]] = []
    for label, found in kinds:
        if found:
            series.append((label, [found.get(network.workload.name) for network in networks]))
    _grouped(axes, [_label(network) for network in networks], series)
    _times(axes)
    axes.set_ylabel("rival's cycles / cycles")
    axes.legend(ncols=5, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, 1.15))
    return figure


def plots_of(networks: Sequence[Network], multipliers: int) -> list[Plot]:
    """Every figure of the page but those of single networks."""
    strongest = "sparten_gb_h"
    return [
        draw_plot(
            "speedup",
            "Speed-up over each rival",
            "Cycles of a rival with as many multipliers over the accelerator's; above 1 the accelerator is faster. "
            "Dense machines run the uncompressed network, sparse ones it with pruned weights.",
            lambda: speedup_figure(networks),
        ),
        draw_plot(
            "energy",
            "Energy of each rival",
            "Over the accelerator's; above 1 the rival takes more. Rivals' control, matching and decoding take none.",
            lambda: energy_figure(networks),
        ),
        draw_plot(
            "losses",
            "Where the cycles go",
            "Each block is counted under one cause in every cycle; the shares add up to 100 %.",
            lambda: losses_figure(networks),
        ),
        draw_plot(
            "sizes",
            "Small images against large ones",
            "Mean over the networks: up to 32 pixels across, and above.",
            lambda: sizes_figure(networks),
        ),
        draw_plot(
            "roofline",
            "Roofline",
            "What the accelerator does a cycle without limits of bandwidth, and what DRAM of a bandwidth would let it. "
            "A network above a line would wait for that memory. Round: measured; square: drawn.",
            lambda: roofline_figure(networks, multipliers),
        ),
        draw_plot(
            "sensitivity",
            "Sensitivity to the assumptions: SparTen GB-H",
            "Its weights distributed uniformly, by Erdos-Renyi-Kernel, or as measured; at the shrunk widths; with as "
            "much logic area instead of as many multipliers.",
            lambda: sensitivity_figure(networks, strongest),
        ),
    ]
