"""Identifies what the results of each flow follow from."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatch

from penni_escalate.common.paths import ROOT
from penni_escalate.common.units import Level


class Flow(StrEnum):
    """What makes results that are kept."""

    REGRESS = "regress"
    MUTANTS = "mutants"
    FORMAL = "formal"
    GATES = "gates"
    EVALUATE = "evaluate"
    DSE = "dse"


@dataclass(frozen=True)
class _Files:
    """Patterns of paths: those that a flow's results follow from, and exceptions."""

    uses: tuple[str, ...]
    besides: tuple[str, ...] = ()


#: Choose, judge or print results, and change none.
_JUDGING = ("*/command.py", "*/testplan.yaml", "*/waivers.yaml", "*/suites/*")
_MUTANTS = ("*/mutants.yaml", "*/mutant_waivers.yaml")
_PROOFS = ("*/formal/*",)
#: What only evaluation uses.
_EVALUATION = (
    *("golden/workloads/*", "golden/area/*", "golden/energy.*", "golden/access.py"),
    *("configs/workloads/*", "configs/dse/*"),
)
_COMMON = tuple(
    f"common/{name}.py"
    for name in (
        "caller",
        "compiled",
        "errors",
        "files",
        "paths",
        "plain_paths",
        "processes",
        "results",
        "shared_folder",
        "shown",
        "sources",
        "tool_environment",
        "units",
        "validation",
        "versions",
        "workers",
    )
)
_VERILOG = (*_COMMON, "rtl/*", "configs/*", "tb/__init__.py", "tb/base/*", "tb/flows/__init__.py")
_BENCHES = (*_VERILOG, "golden/*", *(f"tb/{level.value}/*" for level in Level))
_STORE = ("tb/flows/result_store.py", "common/provenance.py")
_COUNTING = tuple(f"evaluate/dse/{name}.py" for name in ("__init__", "counting", "model_only", "spread", "store"))

#: Of evaluate/: what a layer's results follow from; pages and plots only show them.
_EVALUATED = ("evaluate/machine.py", "evaluate/rivals.py", "evaluate/store.py")

_FLOWS = {
    Flow.REGRESS: _Files(
        (*_BENCHES, "tb/flows/regress/*", "tb/flows/catalog.py"), (*_JUDGING, *_MUTANTS, *_PROOFS, *_EVALUATION)
    ),
    Flow.MUTANTS: _Files(
        (*_BENCHES, *_STORE, "tb/flows/mutants/*", "tb/flows/patch.py", "tb/flows/testplan.py"),
        (*_JUDGING, *_PROOFS, *_EVALUATION),
    ),
    Flow.FORMAL: _Files(
        (*_VERILOG, *_STORE, *_PROOFS, "tb/flows/formal/*", "tb/flows/patch.py"), (*_JUDGING, *_MUTANTS, *_EVALUATION)
    ),
    Flow.EVALUATE: _Files(
        (*_COMMON, "common/tables.py", "configs/*", "golden/*", "evaluate/__init__.py", *_EVALUATED),
        ("*/command.py", "configs/dse/*"),
    ),
    Flow.GATES: _Files((*_BENCHES, *_STORE, "tb/flows/gates/*"), (*_JUDGING, *_MUTANTS, *_PROOFS, *_EVALUATION)),
    # Cycles and accesses alone are kept: area and energy follow from them anew each time. Packages and workloads'
    # files count where they are used.
    Flow.DSE: _Files(
        (
            *_COMMON,
            *("configs/__init__.py", "configs/accelerator.py", "golden/*", "evaluate/__init__.py"),
            *("evaluate/machine.py", *_COUNTING),
        ),
        (*_JUDGING, "golden/area/*", "golden/energy.*", "golden/tables.py", "golden/baselines/claims.py"),
    ),
}


def belongs(path: str, flow: Flow) -> bool:
    """Whether a flow's results follow from a file; ``path`` from the project's root."""
    files = _FLOWS[flow]
    return any(fnmatch(path, use) for use in files.uses) and not any(fnmatch(path, but) for but in files.besides)


def sources_digest(flow: Flow) -> str:
    """Identifies every file that a flow's results follow from."""
    digest = hashlib.sha256()
    for part in ("common", "configs", "evaluate", "golden", "rtl", "tb"):
        for path in sorted((ROOT / part).rglob("*")):
            name = str(path.relative_to(ROOT))
            if path.is_file() and "__pycache__" not in path.parts and belongs(name, flow):
                digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()
