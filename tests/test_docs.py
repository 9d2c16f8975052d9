"""The pages: their examples run, their links lead somewhere, the JSON schema is the reader's own."""

import dataclasses
import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import IMPORTS, ROOT
from penni_escalate.common.units import UNITS
from penni_escalate.compress.recipe import Recipe
from penni_escalate.compress.steps import FIRST_READ
from penni_escalate.configs.accelerator import as_fields, load_accelerator, meanings, parse_accelerator
from penni_escalate.golden.schema import manifest_schema
from penni_escalate.rtl.generator import render_text
from penni_escalate.rtl.load_words import load_table
from penni_escalate.rtl.verilog_lint import SLANG_EXCEPTIONS, VERIBLE_EXCEPTIONS
from penni_escalate.tb.flows.coverage_plan import page_of

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
#: Pages whose example is a table of cycles and needs no code of its own.
WITHOUT_EXAMPLES = {"block"}
PRESETS = ("tiny", "small", "full")


def examples_of(page: Path) -> doctest.DocTest:
    """The page's examples; fences become empty lines, so that line numbers stay."""
    text = re.sub(r"^```.*$", "", page.read_text(), flags=re.MULTILINE)
    return doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)


def run_examples(pages: list[Path]) -> int:
    """Run the pages' examples, print what fails, and return how many failed."""
    runner = doctest.DocTestRunner()
    for page in pages:
        runner.run(examples_of(page))
    return runner.failures


def test_examples() -> None:
    """In a process of their own: there the cycle model runs as plain Python, which costs no compilation."""
    pages = [str(page) for page in PAGES if examples_of(page).examples]
    assert pages
    found = subprocess.run(
        [sys.executable, __file__, *pages],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(IMPORTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_has_a_page(unit: str) -> None:
    page = DOCS / "units" / f"{unit}.md"
    assert page.is_file()
    for heading in ("Interface", "Timing", "Example"):
        assert f"## {heading}\n" in page.read_text()
    assert examples_of(page).examples or unit in WITHOUT_EXAMPLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    """Links to files and headings of the project."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), flags=re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name} links to {target}"


@pytest.mark.parametrize("unit", UNITS)
def test_every_port_is_named(unit: str) -> None:
    """A unit's page names every port of its template; the ports of an array as <k>, <m> or <field>."""
    template = (ROOT / "rtl" / "templates" / f"{unit}.v.j2").read_text()
    text = (DOCS / "units" / f"{unit}.md").read_text()
    header = template[template.index("\nmodule ") : template.index("\n);")]
    ports = re.findall(r"^ *(?:input|output) .*?((?:\w|\{\{ [\w.]+ \}\})+_[io])\b", header, flags=re.MULTILINE)
    assert ports
    for port in ports:
        written = re.sub(r"\{\{ (?:f\.name|b\.name) \}\}", "<field>", port)
        written = re.sub(r"\{\{ (\w+) \}\}", r"<\1>", written)
        assert f"`{written}`" in text, f"{unit}: {written}"


def test_presets() -> None:
    """The table of presets in architecture.md holds the numbers of configs/."""
    text = (DOCS / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\d+)\.\.(\d+) \| (\d+) \| (\d+) \| (\d+) \|", text, re.MULTILINE)
    presets = [as_fields(load_accelerator(name)) for name in PRESETS]
    assert [row[0] for row in rows] == [name for name in presets[0] if name != "name"]
    for name, low, high, *values in rows:
        assert [int(value) for value in values] == [preset[name] for preset in presets], name
        for bad in (int(low) - 1, int(high) + 1):
            with pytest.raises(UserError, match=f"field '{name}'"):
                parse_accelerator({**presets[0], name: bad}, "test")


def test_meanings_of_fields() -> None:
    """The table of presets says of each field what its description says."""
    text = (DOCS / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| \d+\.\.\d+ \|(?: \d+ \|){3} (.*) \|$", text, re.MULTILINE)
    assert dict(rows) == meanings()


def test_what_the_lint_of_the_verilog_leaves_out() -> None:
    """The table of architecture.md has every rule that verible and slang are not asked for, with its reason."""
    text = (DOCS / "architecture.md").read_text().replace("`", "")
    for tool, exceptions in (("verible", VERIBLE_EXCEPTIONS), ("slang", SLANG_EXCEPTIONS)):
        assert re.findall(rf"^\| {tool} \| (.*) \| (.*) \|$", text, re.MULTILINE) == list(exceptions.items())


def test_derived_numbers() -> None:
    """The table of derived numbers in architecture.md is what rtl/widths.py makes of the presets."""
    attributes = {
        "STAGES": "stages",
        "PARTS": "parts",
        "GROUPS": "groups",
        "COLUMNS": "columns",
        "ENTRIES": "entries",
        "BEAT": "beat_bits",
        "KB": "kernel_bits",
        "WB": "width_bits",
        "RB": "row_bits",
        "OUTPUTS": "outputs_max",
        "OB": "outputs_bits",
        "TABLE": "words.table.bits",
        "TB": 'words.basis.field("weight").width',
        "PASS": "words.pass.bits",
        "INDEX": "load_index_bits",
        "LOAD": "load_bits",
    }
    text = (DOCS / "architecture.md").read_text()
    rows = re.findall(r"^\| `([A-Z]+)` \| .* \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert [row[0] for row in rows] == list(attributes)
    for preset, column in zip(PRESETS, range(1, 4), strict=True):
        for row in rows:
            value = render_text(f"{{{{ w.{attributes[row[0]]} }}}}", load_accelerator(preset))
            assert row[column] == value, (preset, row[0])


def test_load_words() -> None:
    """The table of parameter words in architecture.md is that of rtl/load_words.py."""
    text = (DOCS / "architecture.md").read_text()
    assert f"how many a pass |\n|---|---|---|---|---|\n{load_table()}\n" in text


def recipe_fields(kind: Any, prefix: str = "") -> list[str]:
    """Names of a recipe's fields, nested ones with a dot."""
    names: list[str] = []
    for field in dataclasses.fields(kind):
        if not field.init:
            # No field of a recipe's file.
            continue
        # A part that may be left out is a dataclass or none.
        nested = [part for part in (field.type, *get_args(field.type)) if dataclasses.is_dataclass(part)]
        names += recipe_fields(nested[0], f"{prefix}{field.name}.") if nested else [prefix + field.name]
    return names


def test_recipe_fields() -> None:
    """The table of a recipe's fields in compression.md has all of them, and no other."""
    table = (DOCS / "compression.md").read_text().partition("\n## Recipe\n")[2].partition("\n## ")[0]
    found = []
    for cell in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE):
        names = re.findall(r"`([\w.]+)`", cell)
        group = names[0].rpartition(".")[0]
        found += [group + name if name.startswith(".") else name for name in names]
    assert sorted(found) == sorted(recipe_fields(Recipe)), set(found) ^ set(recipe_fields(Recipe))


def test_fields_that_steps_read() -> None:
    """The table of compression.md says after which fields a step is done again."""
    rows = re.findall(
        r"^\| (\w+) \| (`[\w.]+`(?:, `[\w.]+`)*) \|$", (DOCS / "compression.md").read_text(), re.MULTILINE
    )
    assert {step: tuple(re.findall(r"`([\w.]+)`", names)) for step, names in rows} == FIRST_READ


@pytest.mark.parametrize("unit", UNITS)
def test_coverage_plan(unit: str) -> None:
    """A unit's page is what its model says; `penni-escalate coverage-plan` writes it."""
    assert (DOCS / "coverage" / f"{unit}.md").read_text() == page_of(unit)


def test_schema() -> None:
    """docs/package.schema.json is the schema of what golden.manifest reads."""
    schema = json.dumps(manifest_schema(), indent=2) + "\n"
    assert (DOCS / "package.schema.json").read_text() == schema


if __name__ == "__main__":
    sys.exit(run_examples([Path(name) for name in sys.argv[1:]]) != 0)
