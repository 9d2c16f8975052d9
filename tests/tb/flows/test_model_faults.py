"""Faults in Python: each is where it is said to be, and one is detected where a test tells it from the right source."""

import ast
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.common.workers import connect
from penni_escalate.tb.flows.model_faults import command
from penni_escalate.tb.flows.model_faults.campaign import judged, read_waivers, run_campaign
from penni_escalate.tb.flows.model_faults.command import PLACES, chosen, main, table
from penni_escalate.tb.flows.model_faults.faults import FaultKind, all_faults, draw_faults, faults_below
from penni_escalate.tb.flows.model_faults.trial import Trial, Verdict, copy_sources, stages, try_fault

TEXT = '''"""Text with \N{MULTIPLICATION SIGN} in front."""
import math
def f(a, b):
    if a < b <= 3 and a != 7:
        return a // (b + 1)
    text = f"{a // b}"
    return math.floor(a / b) + round(a) + (a + 4 >> 3)
'''
TESTS = """from penni_escalate.golden.half import half


def test_half():
    assert half(4) == 2


def test_of_odd():
    assert half(5) == 2
"""


def test_faults_of_a_text() -> None:
    faults = all_faults("golden/f.py", TEXT)
    changed = {
        fault.name: next(
            new.strip() for old, new in zip(TEXT.split("\n"), fault.text.split("\n"), strict=True) if old != new
        )
        for fault in faults
    }
    assert changed == {
        "edge moved: a < b <= 3 (1)": "if a <= b <= 3 and a != 7:",
        "bound one more: a < b <= 3 (1)": "if a < ((b) + 1) <= 3 and a != 7:",
        "edge moved: a < b <= 3 (2)": "if a < b < 3 and a != 7:",
        "bound one more: a < b <= 3 (2)": "if a < b <= ((3) + 1) and a != 7:",
        "edge moved: a != 7": "if a < b <= 3 and a < 7:",
        "rounded up: a // (b + 1)": "return (-(-(a) // (b + 1)))",
        "rounded otherwise: math.floor(a / b)": "return math.ceil(a / b) + round(a) + (a + 4 >> 3)",
        "rounded otherwise: round(a)": "return math.floor(a / b) + int(a) + (a + 4 >> 3)",
        "rounded up: a + 4 >> 3": "return math.floor(a / b) + round(a) + ((-(-(a + 4) >> (3))))",
    }
    assert {fault.kind for fault in faults} == set(FaultKind)
    assert faults[0].what == "line 4: a < b <= 3"


def test_faults_of_the_project_are_python_and_have_names_of_their_own() -> None:
    faults = faults_below(ROOT, PLACES)
    assert len(faults) > 1000
    assert len({(fault.file, fault.name) for fault in faults}) == len(faults)
    drawn = draw_faults(faults, 60, 1)
    for fault in drawn:
        ast.parse(fault.text)
    assert drawn == draw_faults(faults, 60, 1) != draw_faults(faults, 60, 2)
    assert draw_faults(drawn, 99, 1) == drawn


def test_a_place_without_python_is_a_user_error() -> None:
    for place in ("nowhere", "docs", "README.md"):
        with pytest.raises(UserError, match=f"Place '{place}' has no Python: name a folder or a file from "):
            main(["--in", place], standalone_mode=False)
    with pytest.raises(UserError, match=r"Place '\.\.' is not below .*: name a folder or a file there, like golden\."):
        main(["--in", ".."], standalone_mode=False)


def test_the_nearest_tests_come_first() -> None:
    assert list(stages(ROOT, "golden/baselines/scnn.py"))[:2] == [
        ("tests/golden/baselines/test_scnn.py",),
        ("tests/golden",),
    ]
    assert ("tests/tb/stream_core", "tests/tb/network", "tests/tb/clusters", "tests/tb/units") in list(
        stages(ROOT, "golden/fit.py")
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of one function and its tests."""
    root = tmp_path_factory.mktemp("project")
    for path, text in (
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-n 2 -rs"\n'),
        ("src/penni_escalate/__init__.py", ""),
        ("golden/__init__.py", ""),
        ("golden/half.py", "def half(a):\n    return a // 2 if a >= 0 else -half(-a)\n"),
        ("tests/golden/test_half.py", TESTS),
        ("build/left.py", "never copied\n"),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "src/penni_escalate/golden").symlink_to("../../golden")
    return root


def test_a_fault_is_detected_or_survives(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test tells apart is detected, by the test that does, and each trial is kept for the next campaign."""
    faults = faults_below(project, ["golden"])
    where = tmp_path / "model_faults.json"
    with connect("local", 1) as client:
        trials = run_campaign(client, faults, where, lambda: None, project)
        assert {trial.name: (trial.verdict, trial.detected_by) for trial in trials} == {
            "rounded up: a // 2": (Verdict.DETECTED, "tests/golden/test_half.py::test_of_odd"),
            "edge moved: a >= 0": (Verdict.SURVIVED, ""),
            "bound one more: a >= 0": (Verdict.SURVIVED, ""),
        }
        assert json.loads(where.read_text())["detected"] == 1
        survivor = next(fault for fault in faults if fault.name == "edge moved: a >= 0")
        waived = {(survivor.file, survivor.name): "Half of 0 is 0 either way."}
        monkeypatch.setattr(client, "submit", None)
        assert run_campaign(client, faults, where, lambda: None, project) == trials, "nothing is run again"
        (again,) = run_campaign(client, [survivor], where, lambda: None, project, waived)
        assert again.verdict is Verdict.EQUIVALENT and again.reason
        held = json.loads(where.read_text())
        held["trials"] = [asdict(again)]
        where.write_text(json.dumps(held))
        with pytest.raises(TypeError, match="not callable"):
            run_campaign(client, [survivor], where, lambda: None, project)
    cells = [list(column.cells) for column in table(trials).columns]
    assert [column[-1] for column in cells] == ["all", "3", "1", "2", "0"]


def test_a_waived_fault_is_under_the_nearest_tests_alone(project: Path, tmp_path: Path) -> None:
    """Those of other folders, which take long, would say nothing of it."""
    copy_sources(project, tmp_path / "copy")
    far = tmp_path / "copy/tests/evaluate/test_far.py"
    far.parent.mkdir()
    far.write_text("from penni_escalate.golden.half import half\n\n\ndef test_zero():\n    assert half(0) == 0\n")
    fault = next(fault for fault in faults_below(project, ["golden"]) if fault.name == "edge moved: a >= 0")
    wrong = replace(fault, text=fault.text.replace("a // 2", "a // 2 + (a == 0)"))
    assert try_fault(tmp_path / "copy", wrong).detected_by == "tests/evaluate/test_far.py::test_zero"
    assert try_fault(tmp_path / "copy", wrong, near=True).verdict is Verdict.SURVIVED


def test_a_test_that_fails_anyhow_is_a_user_error(project: Path, tmp_path: Path) -> None:
    copy_sources(project, tmp_path / "copy")
    assert not (tmp_path / "copy" / "build").exists()
    tests = tmp_path / "copy/tests/golden/test_half.py"
    tests.unlink()
    tests.write_text("def test_wrong():\n    assert False\n")
    fault = faults_below(project, ["golden"])[0]
    with pytest.raises(UserError, match=r"Test tests/golden/test_half.py::test_wrong fails without a fault too"):
        try_fault(tmp_path / "copy", fault)
    assert (tmp_path / "copy/golden/half.py").read_text() == (project / "golden/half.py").read_text()


def test_waivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    survivor = Trial("golden/half.py", "edge moved: a >= 0", "line 2: a >= 0", Verdict.SURVIVED)
    reason = "Half of 0 is 0 either way."
    waived = {(survivor.file, survivor.name): reason}
    assert judged([survivor], waived) == [replace(survivor, verdict=Verdict.EQUIVALENT, reason=reason)]
    assert judged([survivor], {}) == [survivor]
    found = replace(survivor, verdict=Verdict.DETECTED, detected_by="tests/golden/test_half.py::test_half")
    with pytest.raises(UserError, match=r"'edge moved: a >= 0' of golden/half\.py is detected by .*: remove it"):
        judged([found], waived)
    path = tmp_path / "waivers.yaml"
    path.write_text(yaml.safe_dump({"waivers": [{"file": "golden/half.py", "faults": [], "reason": reason}]}))
    with pytest.raises(UserError, match=r"field '0.faults' is "):
        read_waivers(path)
    assert chosen(["golden/fit.py"], 3, 1)  # no waiver of the project is of a fault that there is not
    monkeypatch.setattr(command, "read_waivers", lambda: waived)
    with pytest.raises(UserError, match=r"there is no fault 'edge moved: a >= 0' of golden/half\.py: remove it"):
        chosen(["golden/fit.py"], 3, 1)
