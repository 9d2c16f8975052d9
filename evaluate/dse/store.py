"""What a sweep keeps on disk: a file for each configuration and workload, which later sweeps take up.

Its place says what it follows from: the sources, the workload's file and package, the configuration. So nothing is
ever out of date, and a sweep that was killed lost only what it was counting at that moment.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from penni_escalate.common.paths import BUILD
from penni_escalate.common.results import write_atomically
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.validation import read_fields
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.package import find_package, manifest_data
from penni_escalate.golden.workloads.loading import FOLDER as WORKLOADS

FOLDER = BUILD / "dse"


@dataclass(frozen=True)
class Record:
    """A configuration on a workload.

    Attributes:
        cycles, counts: of one image through all layers.
        problem: why it cannot run; empty where it can. Then ``cycles`` are 0.
        seconds: that counting took.
    """

    workload: str
    cycles: int
    counts: AccessCounts
    seconds: float
    problem: str = ""


_RECORD = TypeAdapter(Record)


def config_digest(config: Accelerator) -> str:
    """Identifies a configuration, whatever its name; one that can be built and one for the model alone differ."""
    fields = {name: value for name, value in asdict(config).items() if name != "name"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def workload_digest(name_or_file: str) -> str:
    """Identifies a workload that there is: its file and, where it is measured, the package with its checksums."""
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        path = WORKLOADS / f"{name_or_file}.yaml"
    data = path.read_bytes()
    package = read_fields(path, f"Workload {path}").get("package")
    if package is not None:
        data += manifest_data(find_package(str(package)))
    return hashlib.sha256(data).hexdigest()[:8]


class Store:
    """The records of today's sources, below ``folder``."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder / sources_digest(Flow.DSE)[:16]
        self._workloads: dict[str, str] = {}

    def place(self, config: Accelerator, workload: str) -> Path:
        """Where a record is, or would be."""
        if workload not in self._workloads:
            self._workloads[workload] = f"{Path(workload).stem}-{workload_digest(workload)}"
        return self.folder / self._workloads[workload] / f"{config_digest(config)}.json"

    def read(self, config: Accelerator, workload: str) -> Record | None:
        """A record; None where there is none, or half of one."""
        try:
            return _RECORD.validate_json(self.place(config, workload).read_bytes())
        except (OSError, ValueError):
            return None

    def write(self, config: Accelerator, record: Record) -> None:
        """Keep a record."""
        document = {"config": asdict(config), **asdict(record)}
        write_atomically(self.place(config, record.workload), json.dumps(document).encode())
