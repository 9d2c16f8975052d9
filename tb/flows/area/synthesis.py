"""Counts the cells and memory bits of one module by itself: the modules that it instantiates are black boxes.

Nothing is optimised across the borders of modules, so a module is synthesised once, whatever instantiates it and how
often. The logic between flip-flops is mapped by ABC for area. An array stays a memory, of which the bits are counted,
unless it is one that no memory macro serves: see ``registers``.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, relative
from penni_escalate.common.results import check_room, json_text
from penni_escalate.common.shared_folder import failed_folder, keyed, made
from penni_escalate.common.versions import tool_versions
from penni_escalate.tb.base.yosys import LOG, PACKAGE, check_yosys, run_yosys
from penni_escalate.tb.flows.area.cells import gate_equivalents, genlib, is_flip_flop

FOLDER = BUILD / "area"
#: Arrays of no more words are flip-flops.
REGISTER_WORDS = 2
#: An array that is read at more places at once is flip-flops with multiplexers: by module without prefix, and name.
REGISTER_FILES = {("input_ring", "entries_q")}
#: Area-oriented mapping without the sweep for equal nodes, which takes minutes on multipliers.
_ABC = "+strash;dc2;map,-a"
_COUNTS = "counts.json"
_HEAD = re.compile(r"^module .*?^\);", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"^  cell (\S+) \S+\n((?:    .*\n)*)", re.MULTILINE)
_PARAMETER = re.compile(r"^    parameter (?:signed )?\\(\S+) (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Memory:
    """An array of the Verilog.

    Attributes:
        words, width: its size; width in bits.
        read_ports, write_ports: places that read or write it at once.
        registers: it is flip-flops and multiplexers, which are counted among the cells; else a memory, which is not.
    """

    name: str
    words: int
    width: int
    read_ports: int
    write_ports: int
    registers: bool

    @property
    def bits(self) -> int:
        """Bits stored."""
        return self.words * self.width


@dataclass(frozen=True)
class Instance:
    """Instances of one kind inside a module.

    Attributes:
        parameters: that the instance sets, by name.
    """

    module: str
    parameters: tuple[tuple[str, int], ...]
    count: int


@dataclass(frozen=True)
class ModuleCounts:
    """A module without what it instantiates.

    Attributes:
        cells: how many of each type.
        memories: its arrays.
        instances: what it instantiates.
        seconds: that the synthesis took.
    """

    module: str
    cells: Mapping[str, int]
    memories: tuple[Memory, ...]
    instances: tuple[Instance, ...]
    seconds: float

    @property
    def ge(self) -> float:
        """Gate equivalents of the cells."""
        return gate_equivalents(self.cells)

    @property
    def flip_flops(self) -> int:
        """Flip-flops, a bit each."""
        return sum(count for cell, count in self.cells.items() if is_flip_flop(cell))

    @property
    def memory_bits(self) -> int:
        """Bits of the arrays that stay memories."""
        return sum(memory.bits for memory in self.memories if not memory.registers)


def own_text(text: str) -> str:
    """A file without its line comments, which say of what configuration it is."""
    return re.sub(r"^\s*//.*\n", "", text, flags=re.MULTILINE)


def black_box(text: str) -> str:
    """A file's module without its contents."""
    head = _HEAD.search(text)
    assert head is not None
    return f"(* blackbox, dynports *)\n{head[0]}\nendmodule\n"


def count_module(
    files: Mapping[str, str], module: str, *, unit: str = "", parameters: Mapping[str, int] | None = None
) -> ModuleCounts:
    """Synthesise one module by itself; the same text is synthesised once.

    Args:
        files: Verilog by file name, a module a file, named after it: ``module`` and at least what it instantiates.
        unit: the module's name without a prefix; ``module`` where not given.
        parameters: values that override the module's own.

    Raises UserError where Yosys is missing or refuses the Verilog.
    """
    check_yosys()
    unit = unit or module
    text = own_text(files[f"{module}.v"])
    inside = {name: body for name, body in files.items() if re.search(rf"\b{Path(name).stem}\b", text)}
    texts = {name: text if Path(name).stem == module else black_box(own_text(body)) for name, body in inside.items()}
    chosen = " ".join(f"-chparam {key} {value}" for key, value in sorted((parameters or {}).items()))
    registers = [f"memory_map t:$mem_v2 r:SIZE<={REGISTER_WORDS} %i"]
    if any(unit == owner for owner, _ in REGISTER_FILES):
        registers.append("memory_map")
    mapping = f'abc -genlib cells.genlib -script "{_ABC}"'
    commands = [
        f"read_verilog {' '.join(texts)}",
        f"tee -q -o instances.txt dump {module}/c:*",
        f"hierarchy -check -top {module} {chosen}",
        "rename -top area_top",
        "synth -run begin:fine -top area_top",
        "tee -q -o memories.txt dump t:$mem_v2",
        "opt -fast -full",
        *registers,
        "opt -undriven -fine",
        "techmap",
        "opt -fast",
        "opt_clean",
        mapping,
        "opt_clean",
        "delete t:$scopeinfo",
        "tee -q -o stat.json stat -json",
    ]
    script = "\n".join(commands) + "\n"
    files_here = {**texts, "cells.genlib": genlib()}
    folder = keyed(FOLDER / unit, script, files_here, tool_versions(PACKAGE))

    def make(place: Path) -> None:
        begin = time.perf_counter()
        # Yosys maps the logic of each clock domain, and of each enable and reset, by itself; where one of these is
        # empty, its ABC pass may crash. Without the flip-flops in sight it maps all at once.
        at_once = script.replace(mapping, f"{mapping} t:$_*DFF*_ %n")
        if not run_yosys(place, script, files_here) and not run_yosys(place, at_once, files_here):
            check_room(place)
            log = failed_folder(folder) / LOG
            raise UserError(f"Yosys does not synthesise module '{module}': see {relative(log)}.")
        counts = _counts(place, unit, {Path(name).stem for name in inside} - {module}, time.perf_counter() - begin)
        (place / _COUNTS).write_bytes(json_text(asdict(counts)))

    made(folder, make)
    return TypeAdapter(ModuleCounts).validate_json((folder / _COUNTS).read_bytes())


def _counts(place: Path, unit: str, others: set[str], seconds: float) -> ModuleCounts:
    # Yosys writes a stray line before the document.
    stat = json.loads(re.sub(r"^[^{]*", "", (place / "stat.json").read_text(), count=1))
    by_type = stat["modules"]["\\area_top"]["num_cells_by_type"]
    cells = {cell: int(n) for cell, n in by_type.items() if cell != "$mem_v2" and not _instantiates(cell, others)}
    # A type without an area would be counted as nothing.
    gate_equivalents(cells)
    memories = tuple(_memory(unit, found) for found in _cells_in(place / "memories.txt"))
    instances: dict[tuple[str, tuple[tuple[str, int], ...]], int] = {}
    for kind, found in _cells_in(place / "instances.txt"):
        if kind in others:
            key = (kind, tuple(sorted((name, int(value)) for name, value in found.items())))
            instances[key] = instances.get(key, 0) + 1
    return ModuleCounts(
        unit, cells, memories, tuple(Instance(*key, n) for key, n in instances.items()), round(seconds, 2)
    )


def _instantiates(cell: str, others: set[str]) -> bool:
    """Whether a cell is an instance of another module; one with parameters has a name made of both."""
    return cell in others or (cell.startswith("$paramod") and any(f"\\{name}" in cell for name in others))


def _cells_in(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Type and parameters of each cell in a dump."""
    return [(kind.lstrip("\\"), dict(_PARAMETER.findall(body))) for kind, body in _CELL.findall(path.read_text())]


def _memory(unit: str, found: tuple[str, dict[str, str]]) -> Memory:
    parameters = found[1]
    name = parameters["MEMID"].strip('"').lstrip("\\")
    words = int(parameters["SIZE"])
    return Memory(
        name=name,
        words=words,
        width=int(parameters["WIDTH"]),
        read_ports=int(parameters["RD_PORTS"]),
        write_ports=int(parameters["WR_PORTS"]),
        registers=words <= REGISTER_WORDS or (unit, name) in REGISTER_FILES,
    )
