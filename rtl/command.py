"""penni-escalate rtl --config small --prefix my_ --out DIR: writes the accelerator's Verilog."""

from pathlib import Path

import click

from penni_escalate.common.options import Folder
from penni_escalate.common.paths import RESULTS
from penni_escalate.common.results import write_json
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.rtl.generator import configuration_hash
from penni_escalate.rtl.hand_over import generate
from penni_escalate.rtl.names import DEFAULT_PREFIX


@click.command()
@click.option("--config", "name", default="small", show_default=True, help="Preset, or path of a .yaml file.")
@click.option("--prefix", default=DEFAULT_PREFIX, show_default=True, help="What the name of every module begins with.")
@click.option("--out", required=True, type=Folder(), help="Folder for the Verilog files.")
def main(name: str, prefix: str, out: Path) -> None:
    """Write the Verilog of the accelerator's stream core."""
    config = load_accelerator(name)
    paths = generate(config, out, prefix)
    write_json(
        RESULTS / "rtl.json",
        {
            "config": config.name,
            "configuration": configuration_hash(config),
            "prefix": prefix,
            "folder": str(out),
            "files": [path.name for path in paths],
            "lines": sum(path.read_text().count("\n") for path in paths),
        },
    )
    print(f"{len(paths)} files, configuration {config.name} ({configuration_hash(config)}), in {out}")
