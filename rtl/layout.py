"""How the generated Verilog is laid out: what holds for every line, so that no template counts columns."""

import re
from collections.abc import Iterator
from itertools import pairwise

#: Columns of a line.
WIDTH = 120
_INDENT = 4
#: Where the rule behind the title of a section ends.
_RULE_END = 103

_SECTION = re.compile(r"(?P<title> *// ---- .*?) -{4,}")
_FAR_COMMENT = re.compile(r"(?<=\S) {3,}//")
_CONNECTION = re.compile(r"(?P<indent> +)\.(?P<port>\w+) +(?P<rest>\(.*)")
#: After these a statement goes on in the next line: commas and operators, a question mark last of all.
_BREAKS = re.compile(r"(?:,|&&|\|\||<=|[:&|^+=?-]) ")


def lay_out_text(text: str) -> str:
    """The lines of a rendered template, in the form that all files share.

    No trailing blanks, no two empty lines in a row, two blanks before a comment behind code, rules behind sections
    that end in one column, parentheses of an instance's ports one below the other, lines of at most ``WIDTH`` columns.
    """
    return "\n".join(line for _, line in laid_out(text))


def laid_out(text: str) -> list[tuple[int, str]]:
    """The lines, each with the place, from 0, of the line of ``text`` that it comes from."""
    lines: list[str] = []
    places: list[int] = []
    for place, line in enumerate(map(str.rstrip, text.split("\n"))):
        if line or not lines or lines[-1]:
            lines.append(_tidy(line))
            places.append(place)
    aligned = _align_ports(lines)
    return [(place, part) for place, line in zip(places, aligned, strict=True) for part in _broken(line)]


def _tidy(line: str) -> str:
    line = _FAR_COMMENT.sub("  //", line)
    section = _SECTION.fullmatch(line)
    return f"{section['title']} ".ljust(_RULE_END, "-") if section else line


def _align_ports(lines: list[str]) -> list[str]:
    """Put the parentheses of each list of connections one below the other."""
    aligned = list(lines)
    connections: list[tuple[int, re.Match[str]]] = []
    for number, line in enumerate([*lines, ");"]):
        found = _CONNECTION.fullmatch(line)
        if found:
            connections.append((number, found))
        elif re.match(r" *\)( u_\w+ \(|;)$", line) and connections:
            width = max(len(connection["port"]) for _, connection in connections)
            for place, connection in connections:
                aligned[place] = f"{connection['indent']}.{connection['port'].ljust(width)} {connection['rest']}"
            connections = []
    return aligned


def _broken(line: str) -> Iterator[str]:
    """A line, or the lines that take its place where it is too long."""
    if len(line) <= WIDTH:
        yield line
        return
    indent = " " * (len(line) - len(line.lstrip()))
    code, mark, comment = line.partition("//")
    if mark and not code.strip():
        yield from _filled(f"{indent}//", comment.split())
        return
    if mark:
        yield from _broken(f"{indent}// {comment.strip()}")
        yield from _broken(code.rstrip())
        return
    further = f"{indent}{' ' * _INDENT}"
    for number, part in enumerate(_choices(line)):
        rest = further * (number > 0) + part
        while len(rest) > WIDTH:
            cut = _place_to_break(rest)
            yield rest[:cut].rstrip()
            rest = further + rest[cut:]
        yield rest.rstrip()


def _filled(start: str, words: list[str]) -> Iterator[str]:
    line = start
    for word in words:
        if len(line) + 1 + len(word) > WIDTH:
            yield line
            line = start
        line += f" {word}"
    yield line


def _depths(line: str) -> list[int]:
    """In how many brackets each character is."""
    depths, depth = [], 0
    for character in line:
        depth += (character in "([{") - (character in ")]}")
        depths.append(depth)
    return depths


def _choices(line: str) -> list[str]:
    """The choices of an assignment, a line each behind its first line; of another statement, the line."""
    depths = _depths(line)
    outside = [found.end() for found in _BREAKS.finditer(line) if depths[found.start()] == 0]
    ends = [end for end in outside if line[end - 2] == ":"]
    begin = [end for end in outside if line[end - 2] == "="]
    if not ends or not begin:
        return [line]
    cuts = [0, begin[0], *ends, len(line)]
    return [line[start:end] for start, end in pairwise(cuts)]


def _place_to_break(line: str) -> int:
    """Where a line of code is divided: inside as few brackets as it can be, there as late as it can be."""
    depths = _depths(line)
    ends = [found.end() for found in _BREAKS.finditer(line) if len(line) - len(line.lstrip()) < found.start()]
    ends = [end for end in ends if end <= WIDTH + 1]
    if not ends:
        raise ValueError(f"no place to break: {line}")
    least = min(depths[end - 1] for end in ends)
    ends = [end for end in ends if depths[end - 1] == least]
    others = [end for end in ends if line[end - 2] != "?"]
    return (others or ends)[-1]
