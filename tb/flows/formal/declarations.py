"""What is to be proved: a `proofs.yaml` a unit, beside the checkers that it names."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass as validated

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT, relative
from penni_escalate.common.units import UNITS, bench_folder
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.configs.accelerator import Accelerator, parse_accelerator

#: Configuration of a proof that says nothing else.
SHRUNK = ROOT / "configs" / "shapes" / "shrunk.yaml"
CHECKER_SUFFIX = ".sv.j2"

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_Depth = Annotated[int, Field(ge=1, le=1000, strict=True)]
_Override = Annotated[int, Field(strict=True)]


class Method(StrEnum):
    """How a proof is found."""

    #: Bounded: no counterexample within ``depth`` cycles from reset.
    BMC = "bmc"
    #: Unbounded: bounded for ``depth`` cycles, and ``depth`` good cycles are followed by a good one.
    K_INDUCTION = "k-induction"
    #: Unbounded: the solver finds an inductive invariant itself.
    PDR = "pdr"
    #: Combinational: every input at once.
    SAT = "sat"


#: sby's engine of each method, where the declaration names none. Covers and seeded bugs are looked for with that of
#: BMC, in which memories are registers: Yices breaks off where it is asked for memories in a long trace of the core.
ENGINES = {
    Method.BMC: "smtbmc --nomem yices",
    Method.K_INDUCTION: "smtbmc yices",
    Method.PDR: "abc pdr",
    Method.SAT: "abc iprove; pdr",
}


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Bug:
    """Text of a generated file and what takes its place; both may use the templates' names."""

    #: What the bug would be called in a review.
    what: Annotated[str, Field(min_length=1)]
    #: Unit whose file is changed.
    unit: str
    #: Text that is there.
    old: Annotated[str, Field(min_length=1)]
    #: Text in its place.
    new: str
    #: Label of the assertion that must detect it, the others left out: so that each may be shown to be able to fail.
    fails: _Name

    @model_validator(mode="after")
    def _known(self) -> "Bug":
        if self.unit not in UNITS:
            raise ValueError(f"field 'unit' is '{self.unit}': it must be a unit of the generator")
        return self


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Declaration:
    """One entry of a `proofs.yaml`."""

    name: _Name
    #: The sentence that is proved.
    states: Annotated[str, Field(min_length=1)]
    method: Method
    #: File in the same folder, ``<top module>.sv.j2``.
    checker: Annotated[str, Field(pattern=r"^\w+\.sv\.j2$")]
    #: Cycles of a bounded proof, or of the induction; 1 where it has no meaning.
    depth: _Depth
    #: Labels of the checker's cover statements: all must be reached, else the proof is vacuous.
    covers: Annotated[tuple[_Name, ...], Field(min_length=1)]
    #: Cycles within which the covers must be reached and the bugs be found.
    cover_depth: _Depth
    #: Each must make the proof fail.
    bugs: Annotated[tuple[Bug, ...], Field(min_length=1)]
    #: Fields of the configuration that differ from shrunk.yaml.
    configuration: dict[str, _Override] = Field(default_factory=dict)
    #: A proof for each of these values of one field; the value goes into the name.
    sweep: Annotated[dict[str, Annotated[list[_Override], Field(min_length=1)]], Field(max_length=1)] = Field(
        default_factory=dict
    )
    #: The checker speaks of the entries of memories, which are then registers; only with engines of smtbmc, since
    #: ABC's counterexamples could not be replayed.
    split_memories: bool = False
    #: What sby calls an engine, with its options.
    engine: Annotated[str, Field(pattern=r"^(smtbmc|abc) ")] | None = None


@dataclass(frozen=True)
class Proof:
    """A declaration at one configuration.

    Attributes:
        unit: whose folder declares it.
        folder: where the checker is.
    """

    unit: str
    name: str
    folder: Path
    config: Accelerator
    declaration: Declaration

    @property
    def full_name(self) -> str:
        """``<unit>.<proof>``, as testplans write it."""
        return f"{self.unit}.{self.name}"

    @property
    def engine(self) -> str:
        """sby's engine."""
        return self.declaration.engine or ENGINES[self.declaration.method]


_DECLARATIONS = TypeAdapter(tuple[Declaration, ...])


@cache
def _shrunk() -> dict[str, object]:
    return yaml.safe_load(SHRUNK.read_text())


def _configure(where: str, overrides: dict[str, int]) -> Accelerator:
    name = "_".join(["shrunk", *(f"{field}{value}" for field, value in overrides.items())])
    return parse_accelerator({**_shrunk(), **overrides, "name": re.sub(r"[^a-z0-9_]", "", name)[:32]}, where)


def read_proofs(path: Path, unit: str) -> list[Proof]:
    """The proofs that a file declares, sweeps spread out.

    Raises UserError for an unreadable file, a field that breaks a rule, a configuration that is none, a checker that
    is not there, or a name that occurs twice.
    """
    where = f"Proofs {relative(path)}"
    fields = read_fields(path, where)
    if set(fields) != {"proofs"}:
        raise UserError(f"{where}: the only field must be 'proofs', a list.")
    try:
        declarations = _DECLARATIONS.validate_python(fields["proofs"])
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    proofs: list[Proof] = []
    for declaration in declarations:
        if not (path.parent / declaration.checker).is_file():
            raise UserError(f"{where}: checker '{declaration.checker}' of '{declaration.name}' is not in its folder.")
        base = Proof(unit, declaration.name, path.parent, _configure(f"{where}: '{declaration.name}'", {}), declaration)
        variants = [(field, value) for field, values in declaration.sweep.items() for value in values]
        for field, value in variants or [("", 0)]:
            extra = {field: value} if field else {}
            name = f"{declaration.name}_{value}" if field else declaration.name
            config = _configure(f"{where}: '{name}'", {**declaration.configuration, **extra})
            proofs.append(replace(base, name=name, config=config))
    names = [proof.name for proof in proofs]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{where}: '{name}' is declared twice: names must differ.")
    return proofs


def all_proofs(folder: Path | None = None) -> list[Proof]:
    """Every declared proof, units in alphabetical order."""
    paths = {unit: bench_folder(unit, folder) / "formal" / "proofs.yaml" for unit in sorted(UNITS)}
    return [proof for unit, path in paths.items() if path.is_file() for proof in read_proofs(path, unit)]


def _answers(proof: Proof, name: str) -> bool:
    declared = proof.declaration.name
    return name in (proof.name, proof.full_name, declared, f"{proof.unit}.{declared}")


def choose(proofs: list[Proof], units: tuple[str, ...], names: tuple[str, ...]) -> list[Proof]:
    """The proofs of some units, or of some names (``order``, ``order_4``, ``fifo.order``); all where nothing is chosen.

    Raises UserError for a unit or a name without a proof.
    """
    known = sorted({proof.unit for proof in proofs})
    for unit in units:
        if unit not in known:
            raise UserError(f"Unit '{unit}' has no proofs: use one of {', '.join(known)}.")
    chosen = [proof for proof in proofs if not units or proof.unit in units]
    for name in names:
        if not any(_answers(proof, name) for proof in chosen):
            listed = ", ".join(dict.fromkeys(f"{proof.unit}.{proof.declaration.name}" for proof in chosen))
            raise UserError(f"Proof '{name}' is not known: use one of {listed}.")
    return [proof for proof in chosen if not names or any(_answers(proof, name) for name in names)]
