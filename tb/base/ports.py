"""Reads the ports of the generated Verilog, whose format is the generator's own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_HEADER = re.compile(r"^module \w+ (?:#\((?P<parameters>.*?)^\) )?\((?P<ports>.*?)^\);", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"^\s*parameter\s+(\w+)\s*=\s*(\d+)", re.MULTILINE)
_PORT = re.compile(
    r"^\s*(?P<direction>input|output)\s+wire\s+(?:signed\s+)?(?:\[(?P<high>[^:\]]+):0\]\s*)?(?P<name>\w+)\s*,?\s*(?://.*)?$"
)
_FACTOR = re.compile(r"^\d+$")


@dataclass(frozen=True)
class Port:
    """One port: its name, its bits, and which way it goes."""

    name: str
    width: int
    is_input: bool


def _width(high: str, parameters: Mapping[str, int]) -> int:
    """Bits of ``[high:0]``, where high is a number, or a product of numbers and parameters minus 1."""
    if _FACTOR.match(high.strip()):
        return int(high) + 1
    product, minus, one = high.rpartition("-")
    if not minus or one.strip() != "1":
        raise ValueError(f"the range [{high}:0] is neither a number nor a product minus 1")
    width = 1
    for factor in product.split("*"):
        factor = factor.strip()
        width *= int(factor) if _FACTOR.match(factor) else parameters[factor]
    return width


def parse_ports(text: str, parameters: Mapping[str, int]) -> tuple[Port, ...]:
    """The ports of a file's module, in order, with everything that a preprocessor name adds.

    Args:
        text: one generated file.
        parameters: values that override the module's own.

    Raises ValueError at a line in the port list that is none.
    """
    header = _HEADER.search(text)
    if header is None:
        raise ValueError("the file has no module header of the generator's format")
    values = {name: int(value) for name, value in _PARAMETER.findall(header["parameters"] or "")} | dict(parameters)
    ports = []
    for line in header["ports"].splitlines():
        stripped = line.split("//")[0].strip()
        if not stripped or stripped.startswith("`") or stripped == ",":
            continue
        port = _PORT.match(line)
        if port is None:
            raise ValueError(f"'{line.strip()}' is not a port of the generator's format")
        width = _width(port["high"], values) if port["high"] else 1
        ports.append(Port(port["name"], width, port["direction"] == "input"))
    return tuple(ports)
