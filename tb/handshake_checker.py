"""Writes the checker that looks for X on every handshake inside the stream core, by hierarchical names.

Which modules contain which, and what their handshakes are called, is read from the generated Verilog:
a new unit is watched without a word here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from configs.accelerator import Accelerator
from rtl.generator import TOP, render_template
from tb.lockstep.ports import parse_ports

HDL = Path(__file__).resolve().parent / "hdl"
#: What a run's folder holds of the checker: the cycle and the names of each cycle's unknown handshakes.
RECORD = "unknown.txt"
#: valid and ready of streams, and the signals that do their work where there is no stream.
_HANDSHAKE = re.compile(
    r"(?:^|_)(?:valid|ready)_[io]$|^(?:room|write|beat_write|pending|done|drain_read|drain_free|close|closed)_[io]$"
)
_INSTANCE = r"^\s*({modules})\s+(?:#\((?:[^()]|\([^()]*\))*\)\s*)?(u_\w+)\s*\("


@dataclass(frozen=True)
class Watched:
    """One instance: its hierarchical name and the names of its handshakes."""

    instance: str
    handshakes: tuple[str, ...]


def handshakes_of(text: str) -> tuple[str, ...]:
    """Names of a module's handshake ports."""
    return tuple(port.name for port in parse_ports(text, {}) if _HANDSHAKE.search(port.name))


def watched_instances(files: Mapping[str, str], top: str, instance: str) -> Iterator[Watched]:
    """The instance ``instance`` of module ``top`` and everything below it that has handshakes."""
    if found := handshakes_of(files[f"{top}.v"]):
        yield Watched(instance, found)
    modules = "|".join(name.removesuffix(".v") for name in files)
    for module, name in re.findall(_INSTANCE.format(modules=modules), files[f"{top}.v"], re.MULTILINE):
        yield from watched_instances(files, module, f"{instance}.{name}")


def checker_text(config: Accelerator, files: Mapping[str, str], core: str) -> str:
    """The checker's Verilog.

    Args:
        files: the generated Verilog by file name.
        core: hierarchical name of the stream core.
    """
    watched = list(watched_instances(files, TOP, core))
    return render_template(HDL, "handshake_checker.v.j2", config, watched=watched, record=RECORD)
