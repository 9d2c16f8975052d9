"""The sweep's page: its plots in one HTML file that needs no other, and each as SVG beside it."""

from pathlib import Path

from penni_escalate.common.html import render_page
from penni_escalate.common.shared_folder import replaced
from penni_escalate.evaluate.dse.outcome import Outcome
from penni_escalate.evaluate.dse.plots import plots

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
PAGE = "index.html"


def write_page(folder: Path, outcome: Outcome, made_of: str) -> Path:
    """Write the page in place of what is in ``folder``; returns it.

    Args:
        made_of: a sentence: sweep, commit, date.
    """
    drawn = plots(outcome)
    page = render_page(
        _TEMPLATES,
        "dse.html.j2",
        base=outcome.base,
        made_of=made_of,
        counted=sum(point.relative is not None for point in outcome.points),
        workloads=", ".join(outcome.workloads),
        drawn=", ".join(outcome.drawn),
        plots=drawn,
    )
    with replaced(folder) as place:
        (place / PAGE).write_text(page)
        for plot in drawn:
            (place / f"{plot.name}.svg").write_text(plot.svg)
    return folder / PAGE
