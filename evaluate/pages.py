"""The evaluation's page: one HTML file that needs no other, its tables as CSV, Markdown and JSON beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from penni_escalate.common.figures import draw_plot
from penni_escalate.common.html import render_page
from penni_escalate.common.results import json_text
from penni_escalate.common.shared_folder import replaced
from penni_escalate.common.tables import Column, csv_text, text_rows
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.evaluate.documents import (
    LAYER_COLUMNS,
    NETWORK_COLUMNS,
    energy_rows,
    layer_rows,
    loss_columns,
    loss_rows,
    network_rows,
    rival_columns,
    speedup_rows,
)
from penni_escalate.evaluate.plots import layers_figure, plots_of
from penni_escalate.evaluate.summary import Network
from penni_escalate.golden.baselines.claims import Claim
from penni_escalate.golden.losses import MEANING

_TEMPLATES = Path(__file__).resolve().parent / "templates"
PAGE = "index.html"

CLAIM_COLUMNS = tuple(
    Column(name, heading, str, left=True)
    for name, heading in (
        ("paper", "paper"),
        ("quantity", "quantity"),
        ("claim", "claim"),
        ("model", "model"),
        ("ratio", "model / claim"),
        ("reason", "why they differ"),
    )
)


@dataclass(frozen=True)
class ClaimRow:
    """A claim as text."""

    paper: str
    quantity: str
    claim: str
    model: str
    ratio: str
    reason: str


@dataclass(frozen=True)
class PageTable:
    """A table of the page: rows as text; csv: as raw values."""

    title: str
    columns: tuple[Column, ...]
    rows: list[list[str]]
    csv: bytes

    @staticmethod
    def of(title: str, columns: tuple[Column, ...], rows: Sequence[object]) -> "PageTable":
        """From rows with an attribute for each column."""
        return PageTable(title, columns, text_rows(columns, rows), csv_text(columns, rows))

    @property
    def markdown(self) -> str:
        """As a Markdown table under its title."""
        lines = [
            "| " + " | ".join(column.title for column in self.columns) + " |",
            "|" + "|".join("---" if column.left else "---:" for column in self.columns) + "|",
            *("| " + " | ".join(row) + " |" for row in self.rows),
        ]
        return f"## {self.title}\n\n" + "\n".join(lines) + "\n"


def tables_of(networks: Sequence[Network], claims: Sequence[Claim]) -> dict[str, PageTable]:
    """Every table, by its name."""
    return {
        "networks": PageTable.of("Networks", NETWORK_COLUMNS, network_rows(networks)),
        "speedup": PageTable.of("Speed-up", rival_columns(networks), speedup_rows(networks)),
        "energy": PageTable.of("Rival's energy over the accelerator's", rival_columns(networks), energy_rows(networks)),
        "losses": PageTable.of("Where every cycle goes", loss_columns(networks), loss_rows(networks)),
        "layers": PageTable.of("Layers", LAYER_COLUMNS, layer_rows(networks)),
        "claims": PageTable.of(
            "The rivals' models against their papers", CLAIM_COLUMNS, [ClaimRow(*claim.cells) for claim in claims]
        ),
    }


def write_page(
    folder: Path,
    networks: Sequence[Network],
    claims: Sequence[Claim],
    config: Accelerator,
    document: Mapping[str, Any],
) -> Path:
    """Write the page and its files in place of what is in ``folder``; returns the page.

    Args:
        document: evaluate.json.
    """
    tables = tables_of(networks, claims)
    multipliers = config.multipliers
    plots = plots_of(networks, multipliers)
    own = [
        draw_plot(
            f"layers-{network.workload.name}",
            f"Layers of {network.workload.title}",
            "Left: where the cycles go; right: the layer's part of the network's cycles.",
            partial(layers_figure, network),
        )
        for network in networks
    ]
    files: dict[str, bytes] = {
        **{f"{name}.csv": table.csv for name, table in tables.items()},
        "evaluate.md": "\n".join(table.markdown for table in tables.values()).encode(),
        "evaluate.json": json_text(document),
        **{f"{plot.name}.svg": plot.svg.encode() for plot in (*plots, *own)},
    }
    page = render_page(
        _TEMPLATES,
        "evaluation.html.j2",
        config=config.name,
        multipliers=f"{multipliers:,}",
        made_of=f"Configuration {config.name}, commit {document['commit']}, {document['made']}.",
        tables=tables,
        plots={plot.name: plot for plot in plots},
        networks=own,
        meaning=MEANING,
        files=[name for name in files if not name.endswith(".svg")],
        left_out=[
            f"{network.workload.name}, {left.name}: {left.reason}."
            for network in networks
            for left in network.workload.left_out
        ],
    )
    with replaced(folder) as place:
        for name, data in {**files, PAGE: page.encode()}.items():
            (place / name).write_bytes(data)
    return folder / PAGE
