"""compress/own_code: files of the user's find what lies beside them, and one project does not meet another's."""

import sys
from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.compress.own_code import load_own


def project(folder: Path, value: int) -> Path:
    """code/mine.py imports its neighbour, a folder of the project, and an installed package in the project's .venv."""
    (folder / "code").mkdir(parents=True)
    (folder / "shared").mkdir()
    installed = folder / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    (folder / "code" / "mine.py").write_text(
        f"import sys\nsys.path.append({str(installed)!r})\n"
        "import beside, installed_thing\nfrom shared.parts import PART\nMine = (beside.VALUE, PART, installed_thing)\n"
    )
    (folder / "code" / "beside.py").write_text(f"VALUE = {value}\n")
    (folder / "shared" / "parts.py").write_text(f"PART = {value}\n")
    (installed / "installed_thing.py").write_text("")
    return folder


def test_neighbours_of_two_projects(tmp_path: Path) -> None:
    """Each finds its own; an installed package is imported once; the search path is as it was."""
    searched = list(sys.path)
    one = load_own("code/mine.py:Mine", "Network", project(tmp_path / "one", 1))
    other = load_own("code/mine.py:Mine", "Data", project(tmp_path / "other", 2))
    assert one[:2] == (1, 1) and other[:2] == (2, 2)
    assert one[2] is other[2]
    assert sys.path == searched


def test_what_fails_leaves_the_search_path(tmp_path: Path) -> None:
    searched = list(sys.path)
    (tmp_path / "mine.py").write_text("import nothing_of_the_kind\n")
    with pytest.raises(UserError) as caught:
        load_own("mine.py:Mine", "Network", tmp_path)
    assert str(caught.value) == (
        "Network 'mine.py:Mine' cannot be made: ModuleNotFoundError: No module named 'nothing_of_the_kind'."
    )
    assert sys.path == searched
