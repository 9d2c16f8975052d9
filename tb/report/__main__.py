"""python -m tb.report: writes the verification report as a static site."""

from pathlib import Path

import click

from common.errors import run_command
from common.options import Folder
from common.results import BUILD, RESULTS, relative
from tb.report.site import write_site


@click.command()
@click.option("--results", type=Folder(), default=RESULTS, help="Folder of the result files.")
@click.option("--out", type=Folder(), default=BUILD / "report", help="Folder of the site.")
def main(results: Path, out: Path) -> None:
    """Write the site of the last results; it says what was not run."""
    print(f"report: {relative(write_site(results, out))}")


if __name__ == "__main__":
    run_command(main)
