"""What a run with coverage leaves beside Verilator's counts: which Verilog they are of."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.results import write_json
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator, as_fields, parse_accelerator
from penni_escalate.rtl.names import unit_of

#: Verilator's counts.
DATA = "coverage.dat"
RECORD = "coverage_model.json"


@dataclass(frozen=True)
class Record:
    """The Verilog that was run.

    Attributes:
        build: digest of all sources, the bench's too: runs of one build count the same points.
        project: digest of the project's sources at the time of the run.
        units: digest of each unit's file, by unit.
    """

    config: Accelerator
    build: str
    project: str
    units: Mapping[str, str]


def digest(text: bytes) -> str:
    """Names a source file's content."""
    return hashlib.sha256(text).hexdigest()


def make_record(config: Accelerator, top: str, defines: Iterable[str], sources: Iterable[Path]) -> Record:
    """The record of a design: must be made while the sources are those of the build."""
    contents = {unit_of(path.name): path.read_bytes() for path in sources}
    parts = [top, *sorted(defines), *(f"{name} {digest(text)}" for name, text in sorted(contents.items()))]
    units = {name: digest(text) for name, text in contents.items() if name in UNITS}
    return Record(config, digest("\n".join(parts).encode()), sources_digest(Flow.REGRESS), units)


def write_record(record: Record, folder: Path) -> None:
    """Write ``record`` into a run's folder."""
    fields = {"build": record.build, "project": record.project, "units": dict(record.units)}
    write_json(folder / RECORD, {"config": as_fields(record.config)} | fields)


def read_record(folder: Path) -> Record:
    """The record of a run's folder. Raises UserError where there is none that can be read."""
    path = folder / RECORD
    try:
        fields = json.loads(path.read_text())
        config = parse_accelerator(fields["config"], str(path))
        return Record(config, fields["build"], fields["project"], fields["units"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{relative(folder / DATA)} has no readable {RECORD} beside it that says of which Verilog it is: "
            "run the test with coverage again."
        ) from None
