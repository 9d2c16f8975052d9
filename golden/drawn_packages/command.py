"""penni-escalate draw-package --net resnet50: write a package whose numbers are drawn."""

from pathlib import Path

import click
import numpy as np

from penni_escalate.common.options import Folder
from penni_escalate.common.paths import BUILD, relative
from penni_escalate.golden.drawn_packages.networks import NETWORKS


@click.command()
@click.option("--net", "network", default="mobilenetv2", show_default=True, type=click.Choice(list(NETWORKS)))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--out", type=Folder(), help="Folder of the package, build/drawn_packages/NET where not given.")
def main(network: str, seed: int, out: Path | None) -> None:
    """Write a known network at reduced size as a package; its numbers are drawn, nothing is trained."""
    folder = out or BUILD / "drawn_packages" / network
    package = NETWORKS[network](np.random.default_rng(seed)).write(folder, network, seed)
    click.echo(f"{network}: {len(package.layers)} layers, {len(package.images)} images, seed {seed}.")
    click.echo(f"Package in {relative(folder)}.")
