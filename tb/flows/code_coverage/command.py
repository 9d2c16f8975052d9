"""penni-escalate coverage FOLDER...: judges the code coverage that runs left."""

from pathlib import Path

import click

from penni_escalate.common.errors import UserError
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import RESULTS
from penni_escalate.common.units import check_unit
from penni_escalate.tb.flows.code_coverage.judge import ALL, judge


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--holes", "holes", multiple=True, help="List the missed points of a unit, or of 'all'.")
@click.option("--results", default=RESULTS, type=Folder(), help="Folder of coverage.json.")
def main(folders: tuple[Path, ...], holes: tuple[str, ...], results: Path) -> None:
    """Add up the coverage files in FOLDERS, of a regression or of single runs, and judge them with the waivers.

    Exit status 1 where a unit misses a goal.
    """
    for unit in holes:
        if unit != ALL:
            check_unit(unit)
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"Folder {folder} is not there: name one that holds coverage files.")
    if not judge(folders, holes, results):
        raise SystemExit(1)
