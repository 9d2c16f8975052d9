"""Tables of layers' cycles."""

from collections.abc import Callable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.baselines import dense_baselines
from penni_escalate.golden.baselines.claims import Claim
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.figures import Figures, LayerFigures

#: More columns of a table of layers: of a layer by its number, of the sum over all by None.
Columns = Mapping[str, Callable[[int | None], str]]


def cycles_table(title: str, layers: Sequence[LayerFigures], total: Figures, counted: str, others: Columns) -> Table:
    """Cycles of each layer beside the bound.

    Args:
        counted: heading of the cycles.
        others: columns at the end.
    """
    table = Table(box=SIMPLE_HEAD, title=title)
    for name in ("layer", "geometry"):
        table.add_column(name, no_wrap=True)
    for name in ("passes", "T", "a", counted, "bound", "util.", *others):
        table.add_column(name, justify="right")

    def row(number: int | None, figures: Figures, *head: str) -> None:
        table.add_row(
            *head,
            f"{figures.cycles:,}",
            f"{figures.bound_cycles:,}",
            f"{figures.utilisation:.3f}",
            *(text(number) for text in others.values()),
        )

    for number, layer in enumerate(layers):
        densities = (f"{layer.layer.coefficient_density:.1%}", f"{layer.activation_density:.1%}")
        row(number, layer, layer.layer.name, str(layer.layer.geometry), f"{layer.passes}", *densities)
    table.add_section()
    row(None, total, "all", "", "", "", "")
    return table


def baselines_table(layers: Sequence[LayerFigures], total: Figures) -> Table:
    """Cycles of the dense baselines on each layer, and the speed-up over them."""
    table = Table(box=SIMPLE_HEAD, title="other machines with as many multipliers: their cycles, and the speed-up")
    table.add_column("layer", no_wrap=True)
    for baseline in dense_baselines():
        table.add_column(baseline.title, justify="right")
        table.add_column("speed-up", justify="right")

    def row(name: str, figures: Figures) -> None:
        cells = (
            text
            for baseline in dense_baselines()
            for text in (f"{figures.baselines[baseline.name]:,}", f"{figures.speedup(baseline):.2f}x")
        )
        table.add_row(name, *cells)

    for layer in layers:
        row(layer.layer.name, layer)
    table.add_section()
    row("all", total)
    return table


def stalls_table(config: Accelerator, layers: Sequence[LayerFigures]) -> Table:
    """Where each layer's cycles go."""
    table = Table(box=SIMPLE_HEAD, title="where the cycles go (shares of all blocks' cycles)")
    table.add_column("layer")
    for name in (
        "bound by",
        "idle rows",
        "MAC issues",
        "waits for z",
        "waits for a line",
        "other",
        "ring full",
        "z FIFO full",
        "pixels dropped",
    ):
        table.add_column(name, justify="right")
    for layer in layers:
        cycles = layer.cycles or 1
        issues = layer.share(BlockCounter.PRODUCTS) / config.taps
        starved, line_wait = layer.share(BlockCounter.STARVED), layer.share(BlockCounter.LINE_WAIT)
        table.add_row(
            layer.layer.name,
            layer.bound.limit,
            f"{config.rows - layer.layer.rows_used} of {config.rows}",
            f"{issues:.1%}",
            f"{starved:.1%}",
            f"{line_wait:.1%}",
            f"{max(0.0, 1 - issues - starved - line_wait):.1%}",
            f"{layer.counters['ring_full'] / cycles:.1%}",
            f"{layer.share(BlockCounter.Z_FULL) / config.rows:.1%}",
            f"{layer.counters['dropped']:,}",
        )
    return table


def claims_view(claims: Sequence[Claim]) -> Table:
    """What the baselines' papers claim, beside what their models give."""
    table = Table(box=SIMPLE_HEAD, title="the baselines' models against their papers")
    for name in ("paper", "quantity"):
        table.add_column(name)
    for name in ("claim", "model", "model / claim"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why they differ")
    for claim in claims:
        table.add_row(*claim.cells)
    return table
