"""Faults in every comparison and rounding of Python sources, and a drawing of some of them by a seed.

The rule reads Python's syntax tree, as tb/flows/mutants/drawing.py reads that of the Verilog: of each comparison one
fault in its operator and, where it is an order, one in its bound; of each rounding one in its direction.
"""

import ast
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.shown import shown


class FaultKind(StrEnum):
    """What a fault does."""

    EDGE_MOVED = "edge moved"  # < for <=, >= for ==, and the like
    BOUND_MORE = "bound one more"  # what is compared with is one more
    ROUNDED_UP = "rounded up"  # a quotient, or a shift to the right, is rounded up
    ROUNDED_OTHERWISE = "rounded otherwise"  # floor for a rounding to the nearest, ceil for floor, and the like


@dataclass(frozen=True)
class ModelFault:
    """One fault.

    Attributes:
        file: from the root of the sources.
        name: unique in its file; does not move with its lines.
        what: the text that it changes, with its line.
        text: the file with the fault.
    """

    file: str
    kind: FaultKind
    name: str
    what: str
    text: str


@dataclass(frozen=True)
class _Edit:
    """A text in place of what is from offset to offset, in the bytes of the file."""

    kind: FaultKind
    at: ast.expr
    start: int
    end: int
    new: str


_OTHER_EDGE = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", ">="),
    ast.NotEq: ("!=", "<"),
}
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
#: What stands for a function that rounds.
_OTHER_ROUNDING = {"rint": "floor", "round": "floor", "floor": "ceil", "ceil": "floor", "trunc": "ceil"}


def all_faults(file: str, text: str) -> tuple[ModelFault, ...]:
    """Every fault of a Python file, in the order of its text.

    Args:
        file: its path from the root of the sources.
    """
    data = text.encode()
    offsets = _line_offsets(data)
    edits = sorted(_edits(ast.parse(text), data, offsets), key=lambda edit: (edit.start, edit.end))
    subjects = [" ".join(ast.unparse(edit.at).split()) for edit in edits]
    alike = Counter((edit.kind, subject) for edit, subject in zip(edits, subjects, strict=True))
    seen: Counter[tuple[FaultKind, str]] = Counter()
    faults = []
    for edit, subject in zip(edits, subjects, strict=True):
        key = (edit.kind, subject)
        seen[key] += 1
        number = f" ({seen[key]})" if alike[key] > 1 else ""
        changed = data[: edit.start] + edit.new.encode() + data[edit.end :]
        what = f"line {edit.at.lineno}: {subject}"
        faults.append(ModelFault(file, edit.kind, f"{edit.kind}: {subject}{number}", what, changed.decode()))
    return tuple(faults)


def faults_below(root: Path, places: Sequence[str]) -> tuple[ModelFault, ...]:
    """Every fault of the Python files in some places, each a folder or a file from the root.

    Raises UserError for a place that does not exist, lies elsewhere or has no Python.
    """
    faults: list[ModelFault] = []
    for place in places:
        path = (root / place).resolve()
        if not path.is_relative_to(root.resolve()):
            raise UserError(f"Place {shown(place)} is not below {root}: name a folder or a file there, like golden.")
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        if not files or not all(file.is_file() and file.suffix == ".py" for file in files):
            raise UserError(f"Place {shown(place)} has no Python: name a folder or a file from {root}, like golden.")
        for file in files:
            faults += all_faults(str(file.relative_to(root.resolve())), file.read_text())
    return tuple(faults)


def draw_faults(faults: Sequence[ModelFault], count: int, seed: int) -> tuple[ModelFault, ...]:
    """Draw ``count`` faults, each with the same chance; all of them where there are no more."""
    chosen = random.Random(seed).sample(range(len(faults)), min(count, len(faults)))
    return tuple(faults[number] for number in sorted(chosen))


def _line_offsets(data: bytes) -> list[int]:
    """Where each line of a text begins."""
    offsets = [0]
    for line in data.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    return offsets


def _outside_strings(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those in formatted strings: Python 3.11 does not know where these are."""
    yield node
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from _outside_strings(child)


def _edits(tree: ast.AST, data: bytes, offsets: Sequence[int]) -> Iterator[_Edit]:
    def start(node: ast.expr) -> int:
        return offsets[node.lineno - 1] + node.col_offset

    def end(node: ast.expr) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return offsets[node.end_lineno - 1] + node.end_col_offset

    def source(node: ast.expr) -> str:
        return data[start(node) : end(node)].decode()

    for node in _outside_strings(tree):
        match node:
            case ast.Compare(left=left, ops=operators, comparators=others):
                for before, operator, after in zip([left, *others], operators, others, strict=False):
                    if type(operator) not in _OTHER_EDGE:
                        continue
                    old, new = _OTHER_EDGE[type(operator)]
                    place = data.index(old.encode(), end(before), start(after))
                    yield _Edit(FaultKind.EDGE_MOVED, node, place, place + len(old), new)
                    if isinstance(operator, _ORDERS):
                        yield _Edit(FaultKind.BOUND_MORE, node, start(after), end(after), f"(({source(after)}) + 1)")
            case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
                up = f"(-(-({source(left)}) // ({source(right)})))"
                yield _Edit(FaultKind.ROUNDED_UP, node, start(node), end(node), up)
            case ast.BinOp(left=left, op=ast.RShift(), right=right):
                up = f"(-(-({source(left)}) >> ({source(right)})))"
                yield _Edit(FaultKind.ROUNDED_UP, node, start(node), end(node), up)
            case ast.Call(func=ast.Attribute(attr=name) as function) if name in _OTHER_ROUNDING:
                place = end(function) - len(name)
                yield _Edit(FaultKind.ROUNDED_OTHERWISE, node, place, end(function), _OTHER_ROUNDING[name])
            case ast.Call(func=ast.Name(id="round") as function, args=[_]):
                yield _Edit(FaultKind.ROUNDED_OTHERWISE, node, start(function), end(function), "int")
