"""Which lines of the table of operators a network uses."""

from collections.abc import Set

from penni_escalate.compress.frontend import Program
from penni_escalate.compress.frontend.operators import OPERATORS
from penni_escalate.compress.frontend.reader import kind_of


def operators_used(program: Program) -> set[str]:
    """Names of the operators that a program calls."""
    return {kind_of(node) for node in program.module.graph.nodes if node.op == "call_function"}


def unused(used: Set[str]) -> list[str]:
    """The lines of the table none of whose operators is among these, as they are written in PyTorch."""
    return [entry.written for entry in OPERATORS if not used & set(entry.names)]
