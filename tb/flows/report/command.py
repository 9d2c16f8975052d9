"""penni-escalate report: writes the verification report as a static site."""

from pathlib import Path

import click

from penni_escalate.common.options import Folder
from penni_escalate.common.paths import BUILD, RESULTS, relative
from penni_escalate.tb.flows.report.site import write_site


@click.command()
@click.option("--results", type=Folder(), default=RESULTS, help="Folder of the result files.")
@click.option("--out", type=Folder(), default=BUILD / "report", help="Folder of the site.")
def main(results: Path, out: Path) -> None:
    """Write the site of the last results; it says what was not run."""
    print(f"report: {relative(write_site(results, out))}")
