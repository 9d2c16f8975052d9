"""Tables of layers' cycles."""

from collections.abc import Callable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.baselines import dense_baselines
from penni_escalate.golden.baselines.claims import Claim
from penni_escalate.golden.figures import Figures, LayerFigures
from penni_escalate.golden.losses import Share

#: More columns of a table of layers: of a layer by its number, of the sum over all by None.
Columns = Mapping[str, Callable[[int | None], str]]


def cycles_table(title: str, layers: Sequence[LayerFigures], total: Figures, counted: str, others: Columns) -> Table:
    """Cycles of each layer beside the bound.

    Args:
        counted: heading of the cycles.
        others: columns at the end.
    """
    table = Table(box=SIMPLE_HEAD, title=title, collapse_padding=True, pad_edge=False)
    for name in ("layer", "geometry"):
        table.add_column(name, no_wrap=True)
    for name in ("passes", "T", "a", counted, "bound", "util.", "balance", *others):
        table.add_column(name, justify="right")

    def row(number: int | None, figures: Figures, *head: str) -> None:
        table.add_row(
            *head,
            f"{figures.cycles:,}",
            f"{figures.bound_cycles:,}",
            f"{figures.utilisation:.3f}",
            f"{figures.balance:.3f}",
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


def losses_table(config: Accelerator, layers: Sequence[LayerFigures]) -> Table:
    """Where each layer's cycles go; what no layer loses a thousandth to is left out."""
    shown = [share for share in Share if any(layer.losses[share] >= 0.001 for layer in layers)]
    table = Table(
        box=SIMPLE_HEAD,
        title="where the cycles go (% of all blocks' cycles, each line adds up to 100; M kernels)",
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column("layer", no_wrap=True)
    for name in ("bound by", "M", *(share.value for share in shown)):
        table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True)
    for layer in layers:
        table.add_row(
            layer.layer.name,
            layer.bound.limit.value,
            f"{layer.layer.rows_used}",
            *(f"{100 * layer.losses[share]:.1f}" for share in shown),
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
