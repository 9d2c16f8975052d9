"""Faults in every register and comparison of the Verilog, and a drawing of some of them by a seed.

The rule reads slang's syntax tree of the generated Verilog. Of each assignment to a register it makes one fault in
its enable or its clear and one in its width; of each comparison one in its operator and one in its bound.
"""

import random
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pyslang.syntax import (
    BinaryExpressionSyntax,
    ConditionalStatementSyntax,
    DataDeclarationSyntax,
    DeclaratorSyntax,
    ExpressionStatementSyntax,
    IdentifierSelectNameSyntax,
    RangeSelectSyntax,
    SyntaxKind,
    SyntaxNode,
    SyntaxTree,
)

from penni_escalate.common.units import UNITS
from penni_escalate.rtl.names import file_name


class DrawnKind(StrEnum):
    """What a drawn fault does."""

    NEVER_ENABLED = "never enabled"  # an assignment is not made
    ALWAYS_ENABLED = "always enabled"  # an assignment is made in every cycle that does not clear its register
    NEVER_CLEARED = "never cleared"  # an assignment under a reset or a clear is not made
    CLEAR_LOSES = "clear loses"  # what is assigned otherwise is assigned under a reset or a clear too
    LOST_TOP_BIT = "lost top bit"  # an assignment leaves 0 in the highest bit
    EDGE_MOVED = "edge moved"  # < for <=, >= for ==, and the like
    BOUND_MORE = "bound one more"  # what is compared with is one more


@dataclass(frozen=True)
class DrawnFault:
    """One fault.

    Attributes:
        name: unique in its unit; does not move with the lines of the file.
        what: the text that it changes, with its line.
        text: the unit's Verilog with the fault.
    """

    unit: str
    kind: DrawnKind
    name: str
    what: str
    text: str


@dataclass(frozen=True)
class _Edit:
    """Texts from offset to offset in place of what is there, in order."""

    kind: DrawnKind
    subject: str
    at: SyntaxNode
    parts: tuple[tuple[int, int, str], ...]


#: What makes a condition a clear rather than an enable.
_CLEAR = re.compile(r"\brst_i\b|clear")
_ZERO = re.compile(r"\d+'[bdh]0+|\{.*\{1'b0\}\}")
#: What stands for a comparison's operator.
_OTHER_EDGE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": ">=", "!=": "<"}
_COMPARISONS = (
    *(SyntaxKind.EqualityExpression, SyntaxKind.InequalityExpression),
    *(SyntaxKind.LessThanExpression, SyntaxKind.LessThanEqualExpression),
    *(SyntaxKind.GreaterThanExpression, SyntaxKind.GreaterThanEqualExpression),
)
_GENERATES = (SyntaxKind.IfGenerate, SyntaxKind.LoopGenerate)
_PARAMETERS = (SyntaxKind.ParameterDeclarationStatement, SyntaxKind.ParameterDeclaration)


def all_faults(files: Mapping[str, str], unit: str) -> tuple[DrawnFault, ...]:
    """Every fault of a unit, in the order of its Verilog."""
    text = files[file_name(unit)]
    edits = sorted(_edits(text), key=lambda edit: _start(edit.at))
    alike = Counter((edit.kind, edit.subject) for edit in edits)
    seen: Counter[tuple[DrawnKind, str]] = Counter()
    faults = []
    for edit in edits:
        key = (edit.kind, edit.subject)
        seen[key] += 1
        number = f" ({seen[key]})" if alike[key] > 1 else ""
        line = text.count("\n", 0, _start(edit.at)) + 1
        what = f"line {line}: {_flat(text, edit.at)}"
        faults.append(DrawnFault(unit, edit.kind, f"{edit.kind}: {edit.subject}{number}", what, _applied(text, edit)))
    return tuple(faults)


def draw_faults(
    files: Mapping[str, str], units: Collection[str], count: int, seed: int
) -> Mapping[str, Sequence[DrawnFault]]:
    """Draw ``count`` faults of some units, each with the same chance; all of them where there are no more."""
    faults = [fault for unit in UNITS if unit in units for fault in all_faults(files, unit)]
    chosen = random.Random(seed).sample(range(len(faults)), min(count, len(faults)))
    found: dict[str, list[DrawnFault]] = {}
    for number in sorted(chosen):
        found.setdefault(faults[number].unit, []).append(faults[number])
    return found


def _start(node: SyntaxNode) -> int:
    return node.sourceRange.start.offset


def _end(node: SyntaxNode) -> int:
    return node.sourceRange.end.offset


def _text(text: str, node: SyntaxNode) -> str:
    return text[_start(node) : _end(node)]


def _flat(text: str, node: SyntaxNode) -> str:
    return " ".join(_text(text, node).split())


def _applied(text: str, edit: _Edit) -> str:
    for start, end, new in reversed(edit.parts):
        text = text[:start] + new + text[end:]
    return text


def _nodes(node: SyntaxNode) -> Iterator[SyntaxNode]:
    yield node
    for child in node:
        if isinstance(child, SyntaxNode):
            yield from _nodes(child)


def _above(node: SyntaxNode) -> Iterator[tuple[SyntaxNode, SyntaxNode]]:
    """Each node above one, the nearest first, after the one below it on the way."""
    while node.parent is not None:
        yield node, node.parent
        node = node.parent


def _edits(text: str) -> Iterator[_Edit]:
    nodes = list(_nodes(SyntaxTree.fromText(text).root))
    registers = _registers(text, nodes)
    for node in nodes:
        if isinstance(node, ExpressionStatementSyntax):
            if isinstance(node.expr, BinaryExpressionSyntax) and _is_clocked(node.expr):
                yield from _of_assignment(text, node, node.expr, registers)
        elif isinstance(node, ConditionalStatementSyntax):
            yield from _of_clear(text, node)
        elif isinstance(node, BinaryExpressionSyntax) and _is_comparison(node):
            yield from _of_comparison(text, node)


def _is_clocked(node: SyntaxNode) -> bool:
    return node.kind is SyntaxKind.NonblockingAssignmentExpression


def _registers(text: str, nodes: Sequence[SyntaxNode]) -> dict[str, tuple[str, int]]:
    """Of each variable the text of its highest bit, none for a single bit, and how many indices an entry needs."""
    found = {}
    for node in nodes:
        if isinstance(node, DataDeclarationSyntax):
            ranges = [part for part in _nodes(node.type) if isinstance(part, RangeSelectSyntax)]
            top = _text(text, ranges[0].left) if ranges else ""
            for declarator in node.declarators:
                if isinstance(declarator, DeclaratorSyntax):
                    found[declarator.name.valueText] = (top, len(list(declarator.dimensions)))
    return found


def _of_assignment(
    text: str, node: SyntaxNode, assignment: BinaryExpressionSyntax, registers: Mapping[str, tuple[str, int]]
) -> Iterator[_Edit]:
    left = assignment.left
    target, made = _flat(text, left), _text(text, node)
    conditions = list(_conditions(text, node))
    clears = any(_CLEAR.search(condition) and taken for _, condition, taken in conditions)
    start, end = _start(node), _end(node)
    yield _Edit(DrawnKind.NEVER_CLEARED if clears else DrawnKind.NEVER_ENABLED, target, node, ((start, end, ";"),))
    enabled = next((found for found, _, taken in conditions if taken), None)
    if enabled is not None and not clears:
        # The other assignments stay as they are, and win where they are made.
        first, last = _start(enabled), _end(enabled)
        parts = ((first, first, f"begin {made} "), (start, end, ";"), (last, last, " end"))
        yield _Edit(DrawnKind.ALWAYS_ENABLED, target, node, parts)
    top, indices = registers[left.getFirstToken().valueText]
    chosen = len(list(left.selectors)) if isinstance(left, IdentifierSelectNameSyntax) else 0
    # A part of a register, or nothing but zeros, has no highest bit to lose.
    if chosen == indices and not _ZERO.fullmatch(_flat(text, assignment.right)):
        bit = f"{target}[{top}]" if top else target
        yield _Edit(DrawnKind.LOST_TOP_BIT, target, node, ((start, end, f"begin {made} {bit} <= 1'b0; end"),))


def _conditions(text: str, node: SyntaxNode) -> Iterator[tuple[SyntaxNode, str, bool]]:
    """The conditional statements round a statement, with their conditions, and whether it is made if they hold."""
    for below, above in _above(node):
        if isinstance(above, ConditionalStatementSyntax):
            yield above, _text(text, above.predicate), _start(below) == _start(above.statement)


def _of_clear(text: str, node: ConditionalStatementSyntax) -> Iterator[_Edit]:
    if node.elseClause is not None and _CLEAR.search(_text(text, node.predicate)):
        targets = [
            _flat(text, part.left)
            for part in _nodes(node.statement)
            if isinstance(part, BinaryExpressionSyntax) and _is_clocked(part)
        ]
        first, start, last = _start(node), _start(node.elseClause), _end(node)
        parts = ((first, first, "begin "), (start, start + len("else"), ""), (last, last, " end"))
        yield _Edit(DrawnKind.CLEAR_LOSES, ", ".join(targets), node.predicate, parts)


def _is_comparison(node: SyntaxNode) -> bool:
    """Whether it compares in hardware, and not while the design is elaborated."""
    return node.kind in _COMPARISONS and not any(
        above.kind in _PARAMETERS
        or (above.kind in _GENERATES and below.kind not in (SyntaxKind.GenerateBlock, SyntaxKind.ElseClause))
        for below, above in _above(node)
    )


def _of_comparison(text: str, node: BinaryExpressionSyntax) -> Iterator[_Edit]:
    subject, right = _flat(text, node), node.right
    operator, place = node.operatorToken.valueText, node.operatorToken.location.offset
    yield _Edit(DrawnKind.EDGE_MOVED, subject, node, ((place, place + len(operator), _OTHER_EDGE[operator]),))
    more = f"({_text(text, right)} + 1)"
    yield _Edit(DrawnKind.BOUND_MORE, subject, node, ((_start(right), _end(right), more),))
