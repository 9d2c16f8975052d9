"""Where and when results were made, and of which commit."""

import platform
from dataclasses import dataclass
from datetime import datetime

from penni_escalate.common.versions import commit


@dataclass(frozen=True)
class Provenance:
    """What a reviewer asks of any figure first.

    Attributes:
        commit: of the sources; the project's version where there is no repository.
        dirty: whether files differed from the commit.
        time: with the zone, as ISO 8601 has it.
        host: name of the machine.
    """

    commit: str
    dirty: bool
    time: str
    host: str

    @property
    def sources(self) -> str:
        """The commit, and whether files differed from it, in words."""
        return f"{self.commit} with uncommitted changes" if self.dirty else self.commit

    @property
    def when(self) -> str:
        """The time, for a person: date, time, offset of the zone."""
        moment = datetime.fromisoformat(self.time)
        return f"{moment:%Y-%m-%d %H:%M:%S} {f'{moment:%z}' or 'in an unknown zone'}"


def provenance() -> Provenance:
    """Of what is made now."""
    found = commit()
    return Provenance(
        commit=found.removesuffix("+"),
        dirty=found.endswith("+"),
        time=datetime.now().astimezone().isoformat(timespec="seconds"),
        host=platform.node() or "unknown",
    )
