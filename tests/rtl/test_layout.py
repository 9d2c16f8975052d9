"""The form that all generated files share: what each step does, and every file of every shape."""

import re
from functools import cache
from pathlib import Path

import pytest

from penni_escalate.rtl.hand_over import contents
from penni_escalate.rtl.layout import WIDTH, lay_out_text
from tests.rtl.test_generator import SHAPES

LONG = " + ".join(f"term_{number}" for number in range(20))
CHOICES = " : ".join(f"(choice_q == 4'd{number}) ? value_{number}" for number in range(5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("    wire a;   \n\n\n\n    wire b;\n", "    wire a;\n\n    wire b;\n"),
        ("    input wire a,      // why\n", "    input wire a,  // why\n"),
        ("    // ---- load -------\n", f"    // ---- load {'-' * 86}\n"),
        (
            "    x u_x (\n        .clk_i (clk),\n        .long_i    (a)\n    );\n",
            "    x u_x (\n        .clk_i  (clk),\n        .long_i (a)\n    );\n",
        ),
        (
            f"    wire a = {LONG};\n",
            "    wire a = term_0 + term_1 + term_2 + term_3 + term_4 + term_5 + term_6 + term_7 + term_8 + term_9 + "
            "term_10 +\n"
            "        term_11 + term_12 + term_13 + term_14 + term_15 + term_16 + term_17 + term_18 + term_19;\n",
        ),
        (
            f"    wire a = {CHOICES} : other;\n",
            "    wire a =\n"
            + "".join(f"        (choice_q == 4'd{number}) ? value_{number} :\n" for number in range(5))
            + "        other;\n",
        ),
        (
            f"        if (load) word_q <= {{{', '.join(f'part_{number}' for number in range(12))}}};\n",
            f"        if (load) word_q <=\n            {{{', '.join(f'part_{number}' for number in range(12))}}};\n",
        ),
        (f"    // {'word ' * 30}\n", f"    // {'word ' * 21}word\n    // {'word ' * 7}word\n"),
        (f"    wire a = 1'b1;  // {'word ' * 22}\n", f"    // {'word ' * 21}word\n    wire a = 1'b1;\n"),
    ],
    ids=["blanks", "comment", "section", "ports", "sum", "choices", "assignment", "long_comment", "comment_moves"],
)
def test_a_text_is_laid_out(text: str, expected: str) -> None:
    assert lay_out_text(text) == expected
    assert lay_out_text(expected) == expected


def test_what_cannot_be_broken_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place to break"):
        lay_out_text(f"    wire {'a' * WIDTH};\n")


@cache
def files_of(name: str) -> dict[str, str]:
    """What is generated for a shape into a folder with a short name: those of a file list are as long as it is."""
    return contents(SHAPES[name], Path("/x"))


@pytest.mark.parametrize("name", SHAPES)
def test_every_generated_file_has_the_form(name: str) -> None:
    """No blanks at the end of a line, no tabs, no line that is too long; of Verilog, indentation by fours as well."""
    for file, text in files_of(name).items():
        assert text.endswith("\n"), file
        assert not text.endswith("\n\n"), file
        assert "\n\n\n" not in text, file
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{file}:{number}: {line}"
            assert len(line) <= WIDTH, where
            assert line == line.rstrip(), where
            assert line.isascii() and "\t" not in line, where
            if file.endswith((".v", ".sv")):
                assert (len(line) - len(line.lstrip())) % 4 == 0, where
                assert not re.search(r"\S {3,}//", line), where


@pytest.mark.parametrize("name", SHAPES)
def test_ports_of_an_instance_line_up(name: str) -> None:
    instances = 0
    for file, text in files_of(name).items():
        for instance in re.findall(r"\bu_\w+ \(\n(.*?)\n    \);", text, flags=re.DOTALL):
            columns = {line.index("(") for line in instance.splitlines() if line.lstrip().startswith(".")}
            assert len(columns) == 1, f"{file}: {instance}"
            instances += 1
    assert instances > 10


@pytest.mark.parametrize("name", SHAPES)
def test_every_case_has_a_default(name: str) -> None:
    """slang and verible ask for it too, but where every number has a branch Verilator does not."""
    found = 0
    for text in files_of(name).values():
        for case in re.findall(r"\bcase \(.*?\bendcase\b", text, flags=re.DOTALL):
            assert len(re.findall(r"^ +default: ", case, flags=re.MULTILINE)) == 1, case
            found += 1
    assert found >= 4
