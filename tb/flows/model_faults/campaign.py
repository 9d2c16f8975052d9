"""Spreads the faults over workers; what became of each is kept as it comes, and taken up by the next campaign."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from distributed import Client, as_completed
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, ROOT, relative
from penni_escalate.common.provenance import provenance
from penni_escalate.common.results import write_json
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.tb.flows.model_faults.faults import ModelFault
from penni_escalate.tb.flows.model_faults.trial import Trial, Verdict, copy_sources, try_fault
from penni_escalate.tb.flows.testplan import Sentence

FOLDER = BUILD / "model_faults"
WAIVERS = Path(__file__).with_name("waivers.yaml")
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class FaultWaiver:
    """Why no test can tell some faults of a file from the right source."""

    file: str
    faults: Annotated[tuple[str, ...], Field(min_length=1)]
    reason: Sentence


def read_waivers(path: Path = WAIVERS) -> dict[tuple[str, str], str]:
    """The reason of each waived fault, by its file and name. Raises UserError that names file and field."""
    where = f"Waivers {relative(path)}"
    try:
        found = TypeAdapter(tuple[FaultWaiver, ...]).validate_python(read_fields(path, where).get("waivers", ()))
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    return {(waiver.file, name): waiver.reason for waiver in found for name in waiver.faults}


def judged(trials: Sequence[Trial], waived: Mapping[tuple[str, str], str]) -> list[Trial]:
    """The trials, with the survivors that are waived.

    Raises UserError for a waived fault that a test detects.
    """
    found = []
    for trial in trials:
        reason = waived.get((trial.file, trial.name), "")
        if reason and trial.verdict is Verdict.DETECTED:
            raise UserError(f"Waivers: '{trial.name}' of {trial.file} is detected by {trial.detected_by}: remove it.")
        found.append(replace(trial, verdict=Verdict.EQUIVALENT, reason=reason) if reason else trial)
    return found


def sources_and_tests(root: Path = ROOT) -> str:
    """A digest of all Python sources and tests, which the results of a campaign follow from."""
    digest = hashlib.sha256()
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if folder.name != "build":
            for path in sorted(folder.rglob("*.py")):
                digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def run_campaign(
    client: Client,
    faults: Sequence[ModelFault],
    where: Path,
    advance: Callable[[], None],
    root: Path = ROOT,
    waived: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> list[Trial]:
    """Try some faults; those that the result file ``where`` has of the same sources are not tried again.

    Args:
        waived: why, by file and name; the tests of other folders are not run with these.

    Raises UserError where a test fails without a fault, a waived one is detected, or the file cannot be written.
    """
    digest = sources_and_tests(root)
    copies = FOLDER / str(os.getpid())
    held = {(trial.file, trial.name): trial for trial in _held(where, digest)}
    # One that is no longer waived was under the nearest tests alone.
    held = {place: one for place, one in held.items() if one.verdict is not Verdict.EQUIVALENT or place in waived}
    places = [(fault.file, fault.name) for fault in faults]
    futures = {}
    for fault, place in zip(faults, places, strict=True):
        if place in held:
            advance()
        else:
            futures[client.submit(_in_a_copy, fault, root, copies, place in waived, pure=False)] = place
    try:
        for future in as_completed(futures):
            held[futures[future]] = future.result()
            _keep(where, digest, judged(list(held.values()), waived))
            advance()
    finally:
        client.cancel(list(futures))
        shutil.rmtree(copies, ignore_errors=True)
    return judged([held[place] for place in places], waived)


def _in_a_copy(fault: ModelFault, root: Path, copies: Path, near: bool) -> Trial:
    """Try a fault in this worker's own copy of the sources."""
    folder = copies / str(os.getpid())
    if not folder.is_dir():
        copy_sources(root, folder)
    return try_fault(folder, fault, near=near)


def _held(where: Path, digest: str) -> Sequence[Trial]:
    """The trials of the result file; none where they are of other sources, or it is no such file."""
    try:
        document = json.loads(where.read_text())
        return TypeAdapter(list[Trial]).validate_python(document["trials"]) if document["made_from"] == digest else ()
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return ()


def _keep(where: Path, digest: str, trials: Sequence[Trial]) -> None:
    counts = {verdict.value: sum(trial.verdict is verdict for trial in trials) for verdict in Verdict}
    document = {"made_from": digest, "made": asdict(provenance()), "total": len(trials), **counts}
    try:
        write_json(where, document | {"trials": [asdict(trial) for trial in trials]})
    except OSError as error:
        raise UserError(f"{relative(where)} cannot be written: {error.strerror}.") from None
