"""Writes the checker that looks for X on every handshake inside a module, by hierarchical names.

Which modules contain which, and what their handshakes are called, is read from the generated Verilog:
a new unit is watched without a word here. A ready must be known while something is offered: before, it
may depend on data that nobody has written, as the basis MAC's does, and nothing follows from it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render_template
from penni_escalate.rtl.names import file_name, module_name, unit_of
from penni_escalate.tb.base.ports import parse_ports

HDL = Path(__file__).resolve().parent / "hdl"
#: What a run's folder holds of the checker: the cycle and the names of each cycle's unknown handshakes.
RECORD = "unknown.txt"
#: valid and ready of streams, and the signals that do their work where there is no stream.
_HANDSHAKE = re.compile(
    r"(?:^|_)(?:valid|ready)_[io]$|^(?:room|write|beat_write|pending|done|drain_read|drain_free|close|closed)_[io]$"
)
_INSTANCE = r"^\s*({modules})\s+(?:#\((?:[^()]|\([^()]*\))*\)\s*)?(u_\w+)\s*\("


@dataclass(frozen=True)
class Handshake:
    """A port that is watched.

    Attributes:
        valid: the valid of the same stream, where the port is a ready.
    """

    name: str
    valid: str = ""

    def bit(self, instance: str) -> str:
        """A Verilog expression that is X where the port of ``instance`` is wrong."""
        if self.valid:
            return f"({instance}.{self.valid} && {instance}.{self.name})"
        return f"^{instance}.{self.name}"


@dataclass(frozen=True)
class Watched:
    """One instance: its hierarchical name and its handshakes."""

    instance: str
    handshakes: tuple[Handshake, ...]


def handshakes_of(text: str) -> tuple[Handshake, ...]:
    """A module's handshake ports."""
    names = [port.name for port in parse_ports(text, {}) if _HANDSHAKE.search(port.name)]
    # The two run against each other.
    against = {name: name[:-2].replace("ready", "valid") + ("_o" if name.endswith("_i") else "_i") for name in names}
    return tuple(Handshake(n, against[n] if "ready" in n and against[n] in names else "") for n in names)


def watched_instances(files: Mapping[str, str], top: str, instance: str) -> Iterator[Watched]:
    """The instance ``instance`` of unit ``top`` and everything below it that has handshakes."""
    if found := handshakes_of(files[file_name(top)]):
        yield Watched(instance, found)
    modules = "|".join(module_name(unit_of(name)) for name in files)
    for module, name in re.findall(_INSTANCE.format(modules=modules), files[file_name(top)], re.MULTILINE):
        yield from watched_instances(files, unit_of(module), f"{instance}.{name}")


def checker_text(config: Accelerator, files: Mapping[str, str], unit: str, instance: str) -> str:
    """The checker's Verilog.

    Args:
        files: the generated Verilog by file name.
        unit: looked into, with everything below it.
        instance: its hierarchical name.
    """
    watched = list(watched_instances(files, unit, instance))
    return render_template(HDL, "handshake_checker.v.j2", config, watched=watched, record=RECORD)
