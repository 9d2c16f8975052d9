"""Every line of the generated Verilog is led back to the line of its template."""

import re

import pytest

from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.rtl import template_lines as module
from penni_escalate.rtl.generator import TEMPLATES, render_unit
from penni_escalate.rtl.template_lines import template_lines

TINY = load_accelerator("tiny")


def squeezed(text: str) -> str:
    """Without blanks, and the rules behind titles."""
    return re.sub(r"\s|//|-{4,}", "", text)


@pytest.mark.parametrize("unit", UNITS)
def test_a_line_without_names_is_the_templates_own(unit: str) -> None:
    """Lines of plain text stand in the template as they are generated, at the number that is given."""
    template = (TEMPLATES / f"{unit}.v.j2").read_text().splitlines()
    lines = render_unit(unit, TINY).splitlines()
    numbers = template_lines(unit, TINY)
    assert len(numbers) == len(lines)
    assert all((number is None) == (not line) for number, line in zip(numbers, lines, strict=True))
    plain = [(template[number - 1], line) for number, line in zip(numbers, lines, strict=True) if number is not None]
    plain = [(there, line) for there, line in plain if "{{" not in there and "{%" not in there]
    assert len(plain) > 10
    # Blanks and ends of lines are laid out anew.
    assert [entry for entry in plain if squeezed(entry[1]) not in squeezed(entry[0])] == []


def test_a_template_that_numbers_would_change_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "render_unit", lambda unit, config: "another text")
    with pytest.raises(ValueError, match=r"fifo\.v\.j2 renders otherwise where its lines are numbered"):
        template_lines("fifo", TINY)
