"""``penni-escalate compress penni-settings``: PENNI's own settings, each step compared with the paper's formulas."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from penni_escalate.common.errors import UserError
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import BUILD, RESULTS, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.tables import print_table
from penni_escalate.common.versions import tool_versions
from penni_escalate.compress.penni.settings import WIDTHS
from penni_escalate.compress.recipe import SEED_MAX
from penni_escalate.compress.writable import check_folder

if TYPE_CHECKING:
    from penni_escalate.compress.penni.evaluation import Evaluation

#: Patches of each of the ten photographs that are trained with, and held out.
_TRAINING, _HELD_OUT = 40, 20


@click.command("penni-settings")
@click.option("--net", "names", multiple=True, help=f"Of {', '.join(WIDTHS)}; give several [default: all].")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), default=1, show_default=True)
@click.option("--out", type=Folder(), default=BUILD / "penni_settings", help="Of the packages [build/penni_settings].")
@click.option("--results", type=Folder(), default=RESULTS, help="Folder of penni_settings.json.")
def penni_settings(names: tuple[str, ...], seed: int, out: Path, results: Path) -> None:
    """Run PENNI's own settings on its authors' networks, and compare each step with the paper's formulas.

    The networks are narrow and the schedule is short; the data are patches of photographs. Ends with status 1 where a
    step differs by more than its tolerance.
    """
    for name in names:
        if name not in WIDTHS:
            raise UserError(f"Network '{name}' is not known: use one of {', '.join(WIDTHS)}.")
    chosen = [name for name in WIDTHS if not names or name in names]
    for name in chosen:
        check_folder(out / name)
    check_folder(results, "Results folder")
    # Threads that spin while they wait take the processor from other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from penni_escalate.compress.penni.evaluation import authors_network, evaluate

    console = Console()
    options = {"training_per_class": _TRAINING, "held_out_per_class": _HELD_OUT}
    begin = time.perf_counter()
    found = []
    for name in chosen:
        _say(console, f"{name}, {WIDTHS[name]:g} of its channels:")
        evaluation = evaluate(
            authors_network(name),
            {"source": "photo-10", "options": options},
            out / name,
            seed=seed,
            report=lambda step: _say(console, f"  {step.sentence}"),
        )
        found.append(evaluation)
    _print(console, found)
    document = {
        "seed": seed,
        "data": {"source": "photo-10", **options},
        "networks": [_fields(evaluation) for evaluation in found],
        "seconds": round(time.perf_counter() - begin, 1),
        "tools": tool_versions("numpy", "torch", "lightning"),
    }
    path = write_json(results / "penni_settings.json", document)
    differing = [
        f"{evaluation.network} {one.step}" for evaluation in found for one in evaluation.comparisons if not one.agrees
    ]
    whole = sum(one.count for evaluation in found for one in evaluation.comparisons)
    count = sum(len(evaluation.comparisons) for evaluation in found)
    verdict = f"differ by more than their tolerance: {', '.join(differing)}" if differing else "agree"
    _say(console, f"{count} comparisons of {whole:,} numbers {verdict}. Written to {relative(path)}.")
    if not all(evaluation.agrees for evaluation in found):
        raise SystemExit(1)


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def _fields(evaluation: "Evaluation") -> dict[str, object]:
    return {
        "network": evaluation.network,
        "width": WIDTHS[evaluation.network],
        "agrees": evaluation.agrees,
        "scores": {step.name: step.score for step in evaluation.report.steps},
        "coefficient_sparsity": evaluation.report.coefficient_sparsity,
        "comparisons": [{**asdict(one), "agrees": one.agrees} for one in evaluation.comparisons],
    }


def _print(console: Console, found: list["Evaluation"]) -> None:
    headings = ["network", "step", "quantity", "numbers", "formula", "pipeline", "difference", "tolerance", "because"]
    rows = [
        [
            evaluation.network,
            one.step,
            one.quantity,
            f"{one.count:,}",
            f"{one.formula:.6g}",
            f"{one.pipeline:.6g}",
            f"{one.difference:.1e}" if one.difference else "0",
            (f"{one.tolerance:.1e}" if one.tolerance else "0") + ("" if one.agrees else " DIFFERS"),
            one.reason,
        ]
        for evaluation in found
        for one in evaluation.comparisons
    ]
    title = (
        "PENNI's settings against the papers' formulas: the two numbers that differ most, their difference relative to "
        "the largest number of the tensor"
    )
    print_table(console, title, headings, rows)
