"""Reads workloads: files of configs/workloads/, or a user's own."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.golden.package import find_package, read_package
from penni_escalate.golden.workloads.drawn import draw_layer, drawn_left_out, drawn_rivals, nonzero_coefficients
from penni_escalate.golden.workloads.entries import DrawnEntry, MeasuredEntry, RivalsEntry
from penni_escalate.golden.workloads.measured import MeasuredNetwork
from penni_escalate.golden.workloads.rivals import RivalLayer, Rivals
from penni_escalate.golden.workloads.workload import Workload

FOLDER = ROOT / "configs" / "workloads"
#: Masks of networks that were pruned and measured.
PRUNED = FOLDER / "pruned"

_DRAWN, _MEASURED = TypeAdapter(DrawnEntry), TypeAdapter(MeasuredEntry)
_Result = TypeVar("_Result")


def workload_names() -> list[str]:
    """The workloads that ship: measured ones first, each sort by name."""
    entries = [(path.stem, bool(read_fields(path, f"Workload {path}").get("drawn"))) for path in FOLDER.glob("*.yaml")]
    return [name for name, _ in sorted(entries, key=lambda entry: (entry[1], entry[0]))]


def load_workload(name_or_file: str, image: int | None = None, pruned_folder: Path = PRUNED) -> Workload:
    """A workload by its name, or from a YAML file; its layers are made when they are asked for.

    Args:
        image: number of another held-out image of a measured workload than its file names.
        pruned_folder: where masks of pruned networks are looked for.

    Raises UserError for an unknown workload, an unreadable file, a field that breaks a rule, an unknown package, or a
    layer that does not fit.
    """
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_file}.yaml"
        if not path.is_file():
            raise UserError(
                f"Workload '{name_or_file}' is not known: use one of {', '.join(workload_names())}, "
                "or the path of a .yaml file."
            )
    where = f"Workload {path.name}"
    fields = read_fields(path, f"Workload {path}")
    if not isinstance(fields.get("drawn"), bool):
        raise UserError(
            f"{where}: field 'drawn' must be there: true where coefficients and activations are drawn, "
            "false where they are a package's."
        )
    if fields["drawn"]:
        if image is not None:
            raise UserError(f"{where}: its activations are drawn, so there is no image {image} to choose.")
        return _load_drawn(path.stem, where, fields, pruned_folder)
    return _load_measured(path.stem, where, fields, image, pruned_folder)


def _load_drawn(name: str, where: str, fields: dict[str, object], pruned_folder: Path) -> Workload:
    entry = _parse(_DRAWN, fields, where)
    nonzeros = _said(where, lambda: nonzero_coefficients(entry))
    return Workload(
        name=name,
        title=entry.title,
        drawn=True,
        note=entry.note,
        names=tuple(layer.name for layer in entry.counted),
        left_out=drawn_left_out(entry),
        rivals=_rivals(name, entry, drawn_rivals(entry), pruned_folder),
        make=partial(draw_layer, entry, nonzeros),
    )


def _load_measured(
    name: str, where: str, fields: dict[str, object], image: int | None, pruned_folder: Path
) -> Workload:
    entry = _parse(_MEASURED, fields, where)
    package = read_package(find_package(entry.package))
    chosen = entry.image if image is None else image
    if not 0 <= chosen < len(package.images):
        raise UserError(
            f"{where}: image {chosen} is not there: package '{entry.package}' has held-out images "
            f"0..{len(package.images) - 1}."
        )
    network = MeasuredNetwork(where, package, entry, chosen)
    return Workload(
        name=name,
        title=entry.title,
        drawn=False,
        note=entry.note,
        names=tuple(network.forms),
        left_out=network.left_out,
        rivals=_rivals(name, entry, _said(where, lambda: network.rivals), pruned_folder),
        make=network.make,
    )


def _rivals(name: str, entry: DrawnEntry | MeasuredEntry, layers: list[RivalLayer], pruned_folder: Path) -> Rivals:
    rivals: RivalsEntry = entry.rivals
    masks = None if rivals.pruned is None else pruned_folder / f"{rivals.pruned}.npz"
    return Rivals(name, entry.seed, entry.spread, layers, masks)


def _parse(adapter: TypeAdapter[_Result], fields: dict[str, object], where: str) -> _Result:
    try:
        return adapter.validate_python(fields)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None


def _said(where: str, compute: Callable[[], _Result]) -> _Result:
    try:
        return compute()
    except ValueError as error:
        raise UserError(f"{where}: {error}.") from None
