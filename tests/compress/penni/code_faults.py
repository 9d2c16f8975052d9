"""Faults put into the text of functions of the project, for as long as a test runs."""

import inspect
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Fault:
    """A change of a function's text.

    Attributes:
        function: a function, or a method that is named by its class.
        old: what is in its text, once; new: what takes its place.
        differs: (step, quantity) of the comparisons that must see it.
    """

    function: Callable[..., Any]
    old: str
    new: str
    differs: frozenset[tuple[str, str]]


def put(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Put a fault in wherever the function is known by a name."""
    original = fault.function
    text = textwrap.dedent(inspect.getsource(original))
    assert text.count(fault.old) == 1, f"'{fault.old}' is not in {original.__qualname__} once any more"
    space: dict[str, Any] = {}
    exec(compile(text.replace(fault.old, fault.new), f"<fault in {original.__qualname__}>", "exec"),
         sys.modules[original.__module__].__dict__, space)  # fmt: skip
    changed = space[original.__name__]
    owner = original.__qualname__.rpartition(".")[0]
    if owner:
        monkeypatch.setattr(getattr(sys.modules[original.__module__], owner), original.__name__, changed)
        return
    for module in [module for name, module in sys.modules.items() if name.startswith("penni_escalate.")]:
        for name, value in list(vars(module).items()):
            if value is original:
                monkeypatch.setattr(module, name, changed)
