"""Which line of its template each line of a generated file comes from, for those who read reports on the Verilog."""

import re

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import TEMPLATES, render_text, render_unit
from penni_escalate.rtl.layout import laid_out

#: Stand round a line's number in the rendered text; no template has them.
_BEGIN, _END = "\x01", "\x02"
_MARK = re.compile(f"{_BEGIN}(\\d+){_END}")
_TAG = re.compile(r"\{%.*?%\}|\{#.*?#\}|\{\{.*?\}\}", re.DOTALL)


def template_lines(unit: str, config: Accelerator) -> tuple[int | None, ...]:
    """The template's line, from 1, of each line of a unit's Verilog; None for an empty one.

    A line of a text that a function of the template gives counts as the line that calls the function.

    Raises ValueError where the numbers would change what the template renders.
    """
    marked = render_text(_marked((TEMPLATES / f"{unit}.v.j2").read_text()), config)
    numbers = [int(found[1]) if (found := _MARK.search(line)) else None for line in marked.split("\n")]
    placed = laid_out(_MARK.sub("", marked))
    text = "\n".join(line for _, line in placed)
    if text != render_unit(unit, config):
        raise ValueError(f"{unit}.v.j2 renders otherwise where its lines are numbered")
    last, lines = None, []
    for number, line in zip(numbers, marked.split("\n"), strict=True):
        last = last if number is None else number
        lines.append(last if _MARK.sub("", line).strip() else None)
    return tuple(lines[place] for place, _ in placed[: len(text.splitlines())])


def _marked(text: str) -> str:
    """The template with each line's number before the first of its text that is no tag of a block or a comment."""
    tags = [(found.start(), found.end(), found[0].startswith("{{")) for found in _TAG.finditer(text)]
    parts, begin = [], 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        place = _first_text(text, begin, begin + len(line), tags)
        parts.append(line if place is None else f"{line[: place - begin]}{_BEGIN}{number}{_END}{line[place - begin :]}")
        begin += len(line)
    return "".join(parts)


def _first_text(text: str, begin: int, end: int, tags: list[tuple[int, int, bool]]) -> int | None:
    place = begin
    while place < end:
        inside = next((tag for tag in tags if tag[0] <= place < tag[1]), None)
        if inside is None and not text[place].isspace():
            return place
        if inside is not None and inside[2] and inside[0] == place:
            return place
        place = inside[1] if inside is not None else place + 1
    return None
