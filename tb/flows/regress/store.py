"""What a regression keeps on disk: a folder a run, and which regression it belongs to."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, relative
from penni_escalate.common.results import write_atomically
from penni_escalate.common.shared_folder import hold
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.tb.base.job import Job
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.flows.regress.job_result import JobResult

_FOLDER = BUILD / "regress"
RESULT = "result.json"
#: Names the regression whose runs a folder holds, and whether it came to its end.
PLAN = "plan.json"

_RESULT = TypeAdapter(JobResult)


def folder_of(suite: str, jobs: Sequence[Job]) -> Path:
    """Where a regression keeps its runs: others of the suite, of fewer tests or other seeds, do not touch them."""
    digest = hashlib.sha256("\n".join(job.name for job in jobs).encode())
    return _FOLDER / f"{suite}-{digest.hexdigest()[:8]}"


class Store:
    """The runs of one regression, below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def alone(self) -> TextIO:
        """Keep other processes from this regression until the result is closed.

        Raises UserError where one is at it already, or the folder cannot be written.
        """
        try:
            return hold(self.folder)
        except BlockingIOError:
            raise UserError(
                f"The same regression runs already, in {relative(self.folder)}: let it end first."
            ) from None
        except OSError as error:
            raise self._unwritable(error) from None

    def open(self, jobs: list[Job]) -> dict[str, JobResult]:
        """Begin a regression, or take up one of the same runs and sources that was interrupted.

        Returns the results that there are already. Raises UserError where the folder cannot be written.
        """
        plan = {"jobs": [job.name for job in jobs], "sources": sources_digest(Flow.REGRESS)}
        held = self._plan()
        try:
            if held is None or held["complete"] or {key: held[key] for key in plan} != plan:
                shutil.rmtree(self.folder, ignore_errors=True)
                self._write_plan(plan, complete=False)
                return {}
        except OSError as error:
            raise self._unwritable(error) from None
        found = {job.name: self.read(job) for job in jobs}
        # Where the simulator was killed nothing was judged: such a run is repeated.
        return {n: r for n, r in found.items() if r is not None and r.result.verdict is not Verdict.CRASHED}

    def close(self) -> None:
        """The regression came to its end: the next begins anew."""
        plan = self._plan()
        assert plan is not None
        self._write_plan({key: plan[key] for key in ("jobs", "sources")}, complete=True)

    def run_folder(self, job: Job) -> Path:
        """Where a run works."""
        return self.folder / job.folder

    def read(self, job: Job) -> JobResult | None:
        """A run's result; None where there is none."""
        try:
            return _RESULT.validate_json((self.run_folder(job) / RESULT).read_bytes())
        except (OSError, ValueError):
            return None

    def write(self, result: JobResult) -> None:
        """Keep a run's result."""
        write_atomically(self.run_folder(result.job) / RESULT, json.dumps(asdict(result)).encode())

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(f"Folder {relative(self.folder)} cannot be written: {error.strerror}.")

    def _plan(self) -> dict | None:
        try:
            return json.loads((self.folder / PLAN).read_text())
        except (OSError, ValueError):
            return None

    def _write_plan(self, plan: dict, *, complete: bool) -> None:
        write_atomically(self.folder / PLAN, json.dumps({**plan, "complete": complete}).encode())
