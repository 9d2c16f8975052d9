"""penni-escalate compress penni-settings: what it prints and writes, and what the user can do wrong."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import penni_escalate.compress.penni.evaluation as evaluation
from penni_escalate.common.errors import run_command
from penni_escalate.compress.command import compress
from penni_escalate.compress.penni.comparison import Comparison
from penni_escalate.compress.penni.evaluation import STEPS, Evaluation, Network
from penni_escalate.compress.report import Report


def invoke(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["compress", "penni-settings", *arguments])
    try:
        run_command(compress)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def comparisons(difference: float) -> tuple[Comparison, ...]:
    """One of each step, the third of this difference."""
    same = [Comparison(step, "quantity", "layer", 10, 1.0, 1.0, 0.0, 1e-3, "reason") for step in STEPS]
    same[2] = replace(same[2], difference=difference)
    return tuple(same)


@pytest.mark.parametrize(("difference", "status"), [(1e-4, 0), (2e-3, 1), (float("inf"), 1)])
def test_the_table_and_the_file(
    difference: float, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Status 1 where a step differs, which is named."""
    asked = []

    def without_training(network: Network, data: Any, folder: Path, **settings: Any) -> Evaluation:
        asked.append((network.name, len(network.layout.layers[0].writes), data["source"], folder, settings["seed"]))
        report = Report(network.name, "photo-10", "accuracy", 3, (), 0.5, 0.9, 1, 1, 1.0, {})
        return Evaluation(network.name, report, comparisons(difference))

    monkeypatch.setattr(evaluation, "evaluate", without_training)
    options = ["--seed", "3", "--out", str(tmp_path / "out"), "--results", str(tmp_path)]
    assert invoke(monkeypatch, "--net", "resnet18", "--net", "vgg16", *options) == status
    assert asked == [
        ("vgg16", 16, "photo-10", tmp_path / "out" / "vgg16", 3),
        ("resnet18", 16, "photo-10", tmp_path / "out" / "resnet18", 3),
    ]
    printed = capsys.readouterr().out
    verdict = "differ by more than their tolerance: vgg16 retrain, resnet18 retrain." if status else "agree."
    assert f"14 comparisons of 140 numbers {verdict}" in printed
    assert printed.count("DIFFERS") == 2 * status and printed.count("decompose") == 2
    document = json.loads((tmp_path / "penni_settings.json").read_text())
    assert [one["network"] for one in document["networks"]] == ["vgg16", "resnet18"]
    assert [one["agrees"] for one in document["networks"]] == [not status] * 2
    assert document["networks"][0]["comparisons"][0]["quantity"] == "quantity"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--net", "vgg19"], "Network 'vgg19' is not known: use one of vgg16, resnet56, resnet18."),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--out", ""], "Invalid value for '--out': it is empty, name a folder"),
        (["--out", f"{__file__}/packages"], "must be a folder with permission to write."),
        (["--results", f"{__file__}/results"], "Results folder "),
    ],
)
def test_an_argument_that_does_not_go(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said before anything is trained."""
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, **__: pytest.fail("it was trained"))
    assert invoke(monkeypatch, *arguments) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err and "Traceback" not in printed.err
