"""The cells that logic is mapped to, and how many gate equivalents each counts.

A gate equivalent (GE) is a two-input NAND. A cell counts a quarter of the transistors that it has in static CMOS, so
that NAND2 with its four counts 1. A flip-flop counts 6, whatever enable or synchronous reset it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FLIP_FLOP_GE = 6.0


@dataclass(frozen=True)
class Cell:
    """A combinational cell.

    Attributes:
        transistors: of the cell in static CMOS; of XOR2, XNOR2 and MUX2 with an inverter of their own.
        function: of inputs A, B, C, D, S in the syntax of ABC's genlib files.
    """

    name: str
    transistors: int
    function: str

    @property
    def ge(self) -> float:
        """Gate equivalents."""
        return self.transistors / 4


CELLS = {
    cell.name: cell
    for cell in (
        Cell("ZERO", 0, "CONST0"),
        Cell("ONE", 0, "CONST1"),
        Cell("BUF", 4, "A"),
        Cell("INV", 2, "!A"),
        Cell("NAND2", 4, "!(A*B)"),
        Cell("NOR2", 4, "!(A+B)"),
        Cell("AND2", 6, "A*B"),
        Cell("OR2", 6, "A+B"),
        Cell("AOI21", 6, "!((A*B)+C)"),
        Cell("OAI21", 6, "!((A+B)*C)"),
        Cell("AOI22", 8, "!((A*B)+(C*D))"),
        Cell("OAI22", 8, "!((A+B)*(C+D))"),
        Cell("XOR2", 10, "(A*!B)+(!A*B)"),
        Cell("XNOR2", 10, "(A*B)+(!A*!B)"),
        Cell("MUX2", 10, "(A*S)+(B*!S)"),
    )
}


def genlib() -> str:
    """The cells as ABC reads them; every pin has the same delay, so that area alone decides.

    A constant must not have pins: ABC would not know it for one, and abort over a network with such an output.
    """
    pin = " PIN * UNKNOWN 1 999 1.0 0.0 1.0 0.0"
    return "".join(
        f"GATE {cell.name} {cell.ge} Y={cell.function};{'' if cell.function.startswith('CONST') else pin}\n"
        for cell in CELLS.values()
    )


def is_flip_flop(cell: str) -> bool:
    """Whether a cell that Yosys names is an edge-triggered flip-flop."""
    return cell.startswith("$_") and "DFF" in cell


def gate_equivalents(cells: Mapping[str, int]) -> float:
    """GE of cells, counted by type.

    Raises KeyError for a type that is neither in the table nor a flip-flop.
    """
    return sum(count * (FLIP_FLOP_GE if is_flip_flop(cell) else CELLS[cell].ge) for cell, count in cells.items())
