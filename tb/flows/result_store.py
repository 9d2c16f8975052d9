"""Result files that several runs fill: a run of some units replaces their results and keeps the others'."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.provenance import Provenance, provenance
from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import locked
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.units import UNITS


class _Result(Protocol):
    """A dataclass that says of which unit it is."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def unit(self) -> str: ...


Entry = TypeVar("Entry", bound=_Result)


@dataclass(frozen=True)
class Origin:
    """What results were made from; only those of the same digest stand in one file."""

    tools: Mapping[str, str]
    digest: str
    made: Provenance


def origin_of(flow: Flow, tools: Mapping[str, str]) -> Origin:
    """Today's sources of a flow with some tools; to be taken before a run, which reads the sources as they are then."""
    digest = hashlib.sha256(json.dumps([sources_digest(flow), sorted(tools.items())]).encode()).hexdigest()
    return Origin(tools, digest, provenance())


@dataclass(frozen=True)
class ResultFile(Generic[Entry]):
    """A document with a list of results, each of a unit.

    Attributes:
        name: of the file.
        field: of the list.
        entry: the dataclass of a result.
        part: what, with the unit, a run makes anew: results of the same unit and part are replaced.
        summary: fields of the document that follow from all of its results.
    """

    name: str
    field: str
    entry: type[Entry]
    part: Callable[[Entry], str]
    summary: Callable[[Sequence[Entry]], Mapping[str, object]]

    def update(self, folder: Path, origin: Origin, made: Sequence[Entry], seconds: float) -> str:
        """Put a run's results into the file; those of other units and parts stay where their origin is the same.

        Returns what to tell the user: where they are, and beside how many others. Raises UserError where the file
        cannot be written.

        Args:
            seconds: that the run took.
        """
        path = folder / self.name
        replaced = {self._place(result) for result in made}
        try:
            with locked(path):
                kept = [result for result in self._held(path, origin) if self._place(result) not in replaced]
                results = sorted([*kept, *made], key=self._place)
                document = {
                    "tools": dict(origin.tools),
                    "made_from": origin.digest,
                    "made": asdict(origin.made),
                    "last_run_seconds": round(seconds, 1),
                    **self.summary(results),
                    self.field: [asdict(result) for result in results],
                }
                write_json(path, document)
        except OSError as error:
            raise UserError(f"{relative(path)} cannot be written: {error.strerror}.") from None
        return f"results in {relative(path)}" + (f", beside {len(kept)} of earlier runs" if kept else "")

    def _place(self, result: Entry) -> tuple[int, str]:
        return list(UNITS).index(result.unit), self.part(result)

    def _held(self, path: Path, origin: Origin) -> Sequence[Entry]:
        """The file's results; none where they are of another origin, or it is no such file."""
        try:
            document = json.loads(path.read_text())
            if document["made_from"] != origin.digest:
                return ()
            adapter = TypeAdapter(self.entry)
            return [adapter.validate_python(result) for result in document[self.field]]
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return ()
