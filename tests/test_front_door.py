"""The first pages that a reader meets: licence, citation, README, and that every command they name is there."""

import json
import re
import subprocess
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from penni_escalate.cli import main as console_command
from penni_escalate.common.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
#: Pages whose commands must be there. What CHANGELOG.md says of an old version need not be.
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def tracked_folders() -> set[str]:
    """The top folders of the checkout, those with a dot left out."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    folders = {line.partition("/")[0] for line in done.stdout.splitlines() if "/" in line}
    return {folder for folder in folders if not folder.startswith(".")}


def code_of(text: str) -> list[str]:
    """Code of a page: the lines of its fenced and indented blocks, and what stands between backticks elsewhere."""
    code, prose, fenced = [], [], False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            code.append(line)
        else:
            prose.append(line)
    return code + re.findall(r"`([^`]+)`", "\n".join(prose))


def words_after(command: str, code: list[str]) -> list[list[str]]:
    """The words behind each call of a command, up to a comment, a pipe or an explanation two blanks away."""
    calls = []
    for line in code:
        for found in re.finditer(rf"(?:^|[\s(/]){re.escape(command)} ((?:\S| (?! ))+)", line):
            words = found[1].split()
            calls.append(list(takewhile(lambda word: word not in ("#", "|", ">", "&&", ";"), words)))
    return [call for call in calls if call]


def wrong_make_call(words: list[str]) -> str:
    """What is wrong with a call of make; empty where nothing is."""
    declared = MAKEFILE.partition(".PHONY:")[2].partition("\n")[0].split()
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and f"$({name})" not in MAKEFILE:
            return f"the Makefile has no setting {name}"
        if not equals and word not in declared and not (ROOT / word).exists() and not word.startswith(".venv/"):
            return f"the Makefile has no target {word}"
    return ""


def wrong_console_call(words: list[str]) -> str:
    """What is wrong with a call of penni-escalate; empty where nothing is."""
    command: click.Command = console_command
    context = click.Context(command)
    options = {"--help", "--version"}
    for word in words:
        if word.startswith("-"):
            options |= {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            if word.partition("=")[0] not in options:
                return f"{command.name} has no option {word}"
        elif isinstance(command, click.Group):
            # Placeholders of a synopsis.
            if not re.fullmatch(r"[a-z-]+", word):
                continue
            found = command.get_command(context, word)
            if found is None:
                return f"{command.name} has no subcommand {word}"
            command = found
    return ""


def test_licence() -> None:
    text = (ROOT / PROJECT["license-files"][0]).read_text()
    assert PROJECT["license"] == "Apache-2.0"
    assert re.match(r"\s*Apache License\s+Version 2\.0, January 2004\s", text)
    for number in range(1, 10):
        assert f"\n   {number}. " in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_citation() -> None:
    """Both papers, with what a reader needs to find them; no second copy of the version."""
    citation: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == PROJECT["license"]
    assert citation["message"] and citation["title"] and citation["authors"]
    assert "version" not in citation
    papers = {paper["title"].partition(":")[0]: paper for paper in citation["references"]}
    assert set(papers) == {"PENNI", "ESCALATE"}
    names = {
        name: [f"{author['given-names']} {author['family-names']}" for author in paper["authors"]]
        for name, paper in papers.items()
    }
    readme = (ROOT / "README.md").read_text()
    for name, paper in papers.items():
        assert paper["conference"]["name"] and 2000 < paper["year"] < 2100
        assert paper["url"].startswith("https://") and paper["url"] in readme
        assert paper["title"] in readme
        assert all(author in readme for author in names[name]), name


def test_version() -> None:
    """The version is pyproject.toml's; the newest released section of the changelog is of that version."""
    headings = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", PROJECT["version"]]
    assert len(headings) == len(set(headings))


def test_map_of_the_repository() -> None:
    """README's map has every top folder, and no other."""
    text = (ROOT / "README.md").read_text().partition("\n## Map of the repository\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)) == tracked_folders()


def test_table_of_networks() -> None:
    """README's figures of the packages are those of their manifests and reports."""
    text = (ROOT / "README.md").read_text().split("### Compressed networks")[1].split("###")[0]
    found = {}
    for row in re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", text, re.MULTILINE):
        found[row[0]] = row[1].split(" | ")[1:]
    expected = {}
    for folder in sorted((ROOT / "packages").iterdir()):
        manifest = json.loads((folder / "manifest.json").read_text())
        report = json.loads((folder / "report.json").read_text())
        scores = manifest["scores"]
        if manifest["measure"] == "accuracy":
            shown = [f"{100 * scores['train']:.1f} %", f"{100 * scores['integer']:.1f} %", "-"]
        else:
            shown = ["-", "-", f"{scores['integer']:.3f}"]
        ratio = 32 * report["convolution_weights"] / report["convolution_bits"]
        expected[folder.name] = [*shown, f"{100 * report['coefficient_sparsity']:.1f} %", f"{ratio:.0f}"]
    assert found == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands(page: Path) -> None:
    """Every make target, setting, subcommand and option that a page names is there."""
    code = code_of(page.read_text())
    wrong = {" ".join(["make", *call]): wrong_make_call(call) for call in words_after("make", code)}
    for call in words_after("penni-escalate", code):
        wrong[" ".join(["penni-escalate", *call])] = wrong_console_call(call)
    assert not {call: problem for call, problem in wrong.items() if problem}


def test_commands_are_found() -> None:
    """The check of commands sees calls in every kind of code, and says what is wrong with each."""
    page = (
        "`make sim` and\n\n    make nothing LAYER=conv3   told here\n\n```\n$ penni-escalate sim --nothing 3 # a\n```\n"
    )
    assert words_after("make", code_of(page)) == [["nothing", "LAYER=conv3"], ["sim"]]
    assert words_after("penni-escalate", code_of(page)) == [["sim", "--nothing", "3"]]
    assert wrong_make_call(["sim", "LAYER=conv3"]) == ""
    assert wrong_make_call(["nothing"]) == "the Makefile has no target nothing"
    assert wrong_make_call(["sim", "NOTHING=1"]) == "the Makefile has no setting NOTHING"
    assert wrong_console_call(["compress", "run", "--net", "digits"]) == ""
    assert wrong_console_call(["compress", "nothing"]) == "compress has no subcommand nothing"
    assert wrong_console_call(["sim", "--nothing"]) == "sim has no option --nothing"


def test_the_fault_of_the_tour() -> None:
    """What the tour replaces is in the file, once, and is a mutant that the unit's tests must detect."""
    page = (ROOT / "docs" / "first_tour.md").read_text()
    edits = re.findall(r"^    sed -i 's/(.+)/(.*)/' (\S+)$", page, re.MULTILINE)
    assert len(edits) == 1
    old, new, file = edits[0]
    assert (ROOT / file).read_text().count(old) == 1
    unit = Path(file).name.partition(".")[0]
    mutants = yaml.safe_load((ROOT / "tb" / "units" / unit / "mutants.yaml").read_text())["mutants"]
    assert (old, new) in [(mutant["old"], mutant["new"]) for mutant in mutants]
