"""The folder that is handed over: the Verilog, and what somebody who has nothing else needs to use it."""

import re
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.results import write_atomically
from penni_escalate.common.shared_folder import locked
from penni_escalate.common.units import UNITS, Level, contents_of
from penni_escalate.common.versions import project_version
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import TEMPLATES, configuration_hash, render, render_template
from penni_escalate.rtl.layout import lay_out_text
from penni_escalate.rtl.names import DEFAULT_PREFIX, check_prefix, file_name, module_name

_FOLDER = TEMPLATES / "hand_over"
_PORT = re.compile(
    r"^    (?P<direction>input|output) +wire (?:\[(?P<high>\d+):0\] )?(?P<name>\w+),?(?:  // (?P<meaning>.*))?$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Port:
    """A port of the top module."""

    name: str
    direction: str
    bits: int
    meaning: str


def ports(text: str) -> list[Port]:
    """The ports of a generated module, in order."""
    header = text[text.index("\nmodule ") : text.index("\n);")]
    return [
        Port(found["name"], found["direction"], int(found["high"] or 0) + 1, found["meaning"] or "")
        for found in _PORT.finditer(header)
    ]


def _lists(folder: Path, prefix: str) -> dict[str, str]:
    """For each module above the units, the files that it needs, by names that hold in any folder."""

    def entry(unit: str) -> str:
        path = str(folder.resolve() / file_name(unit, prefix))
        return f'"{path}"' if re.search(r"\s", path) else path

    tops = [unit.name for unit in UNITS.values() if unit.level is not Level.UNIT]
    return {f"{module_name(top, prefix)}.f": "".join(f"{entry(unit)}\n" for unit in contents_of(top)) for top in tops}


def contents(config: Accelerator, folder: Path, prefix: str = DEFAULT_PREFIX) -> dict[str, str]:
    """File name to text of all that stands in ``folder``: Verilog, file lists, README, FuseSoC core, bench."""
    verilog = render(config, prefix)
    top = next(unit.name for unit in reversed(UNITS.values()) if not unit.parents)
    names = {
        "top": module_name(top, prefix),
        "files": list(verilog),
        "ports": ports(verilog[file_name(top, prefix)]),
        "version": project_version(),
        "configuration": configuration_hash(config),
    }

    def rendered(template: str) -> str:
        return render_template(_FOLDER, template, config, prefix, **names)

    return {
        **verilog,
        **_lists(folder, prefix),
        f"{prefix}README.md": rendered("README.md.j2"),
        f"{names['top']}.core": rendered("fusesoc.core.j2"),
        f"{names['top']}_bench.sv": lay_out_text(rendered("bench.sv.j2")),
    }


def generate(config: Accelerator, folder: Path, prefix: str = DEFAULT_PREFIX) -> list[Path]:
    """Write the Verilog and what belongs to it into ``folder``.

    Returns the paths of the accelerator's Verilog files, leaves first. Raises UserError where the folder cannot be
    written, or where no module's name can begin with ``prefix``.
    """
    check_prefix(prefix)
    texts = contents(config, folder, prefix)
    try:
        # A folder of the user's choice, which may hold other files: it cannot be replaced as a whole.
        with locked(folder / f"{prefix}verilog"):
            for name, text in texts.items():
                write_atomically(folder / name, text.encode())
    except OSError as error:
        raise UserError(f"Folder {folder} cannot be written ({error.strerror}): name one that can.") from None
    return [folder / file_name(unit, prefix) for unit in UNITS]
