"""penni-escalate dse, on records that cost nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from distributed import Client

from penni_escalate.common.errors import UserError, run_command
from penni_escalate.common.workers import connect
from penni_escalate.evaluate.dse import command, outcome, spread
from penni_escalate.evaluate.dse.command import main
from penni_escalate.evaluate.dse.spread import Task
from penni_escalate.evaluate.dse.store import Record, Store
from tests.evaluate.dse.records import counts, sweep_in


def quick(task: Task) -> Record:
    """A column of look-ahead betters the base, which has two, in everything."""
    ahead = task.config.lookahead
    return Record(task.workload, {0: 500, 1: 300, 2: 400, 4: 250}[ahead], counts(10 + ahead), 0.0)


def breaks(task: Task) -> Record:
    if task.config.lookahead == 1 and task.workload == "digits":
        raise ZeroDivisionError("division by zero.")
    return quick(task)


@pytest.fixture(scope="module")
def here() -> Iterator[Client]:
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
        yield client


@pytest.fixture
def asked(here: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs commands with a worker here; how many tasks each call of ``count_all`` got."""
    found: list[int] = []

    @contextmanager
    def connected(scheduler: str, jobs: int) -> Iterator[Client]:
        yield here

    def counted(client: Client, tasks: list[Task], store: Store, advance: object) -> object:
        found.append(len(tasks))
        return spread.count_all(client, tasks, store, advance)  # type: ignore[arg-type]

    monkeypatch.setattr(command, "connect", connected)
    monkeypatch.setattr(command, "count_all", counted)
    monkeypatch.setattr(command, "Store", lambda: Store(tmp_path / "kept"))
    monkeypatch.setattr(spread, "count", quick)
    area = SimpleNamespace(memory_bits=0)
    monkeypatch.setattr(outcome, "area_of", lambda config: SimpleNamespace(ge=100.0 + config.lookahead, **vars(area)))
    return found


def run(folder: Path, *arguments: str, **fields: object) -> dict:
    name, _ = sweep_in(folder, **fields)
    main(["--sweep", name, "--results", str(folder), *arguments], standalone_mode=False)
    return json.loads((folder / "dse.json").read_text())


def test_a_sweep(asked: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five configurations on two workloads; then digits-95 for three on a front and the base, which is on none.

    Started again, nothing is counted.
    """
    document = run(tmp_path)
    assert asked == [5 * 2, 4]
    points = {point["changes"]: point for point in document["points"]}
    assert list(points) == ["", "ring 1", "lookahead 0", "lookahead 1", "lookahead 4"]
    assert set(points["lookahead 4"]["workloads"]) == {"digits", "vgg16-cifar", "digits-95"}
    assert set(points["ring 1"]["workloads"]) == {"digits", "vgg16-cifar"}, "on no front: it cannot be built"
    assert points[""]["fronts"] == [] and points["lookahead 1"]["fronts"] != []
    assert points["ring 1"]["model_only"] and not points["lookahead 0"]["model_only"]
    assert points["lookahead 4"]["relative"]["speed"] == pytest.approx(400 / 250)
    assert points["lookahead 4"]["config"]["lookahead"] == 4
    assert document["drawn"] == ["vgg16-cifar"]
    assert document["whole"] and document["lost"] == {}
    assert "ring of 1 (model only)" in capsys.readouterr().out
    page = (tmp_path / "dse" / "index.html").read_text()
    assert "5 configurations on digits, vgg16-cifar" in page and "ring of 1" in page
    assert page.count("<svg") == len(list((tmp_path / "dse").glob("*.svg"))) >= 3
    assert run(tmp_path)["points"] == document["points"]
    assert asked == [10, 4], "counted again"


def test_some_of_the_points(asked: list[int], tmp_path: Path) -> None:
    document = run(tmp_path, "--points", "3")
    assert [point["changes"] for point in document["points"]] == ["", "ring 1", "lookahead 0"]
    assert not document["whole"]


def test_what_is_skipped_is_said(asked: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of (adders, lanes) the sample may take (1, 1), (1, 2) and (2, 2); the second is the base."""
    sample = {"points": 3, "seed": 2, "fields": {"adders": [1, 2], "lanes": [1, 2]}}
    series = {"ring": [{"ring": 4}, {"ring": 3}, {"psum_lines": 99}]}
    document = run(tmp_path, ablations={}, series=series, sample=sample)
    assert [point["changes"] for point in document["points"]][:2] == ["", "ring 4"]
    assert {point["changes"] for point in document["points"]} == {"", "ring 4", "lanes 1", "adders 2"}
    assert list(document["skipped"]) == ["ring 3", "psum_lines 99"]
    assert list(document["skipped_in_sample"]) == ["lanes: it must be a multiple of adders"]
    printed = capsys.readouterr().out
    assert "Skipped, it breaks a rule: Configuration 'tiny' with ring 3: field 'ring' is 3" in printed
    assert (
        f"  {document['skipped_in_sample']['lanes: it must be a multiple of adders']} times lanes: it must" in printed
    )


def test_what_failed_is_said_and_tried_again(
    asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(spread, "count", breaks)
    with pytest.raises(SystemExit) as ended:
        run(tmp_path)
    assert ended.value.code == 1
    document = json.loads((tmp_path / "dse.json").read_text())
    assert document["lost"] == {"digits, lookahead 1": "division by zero"}
    assert "Not counted: digits, lookahead 1: division by zero." in capsys.readouterr().out
    assert [point["relative"] is None for point in document["points"]] == [False, False, False, True, False]
    monkeypatch.setattr(spread, "count", quick)
    assert run(tmp_path)["lost"] == {}
    assert asked[2] == 1, "more than what was lost"


def test_a_full_disk_is_one_sentence(
    asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: Store, config: object, record: Record) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "write", full)
    name, _ = sweep_in(tmp_path)
    monkeypatch.setattr("sys.argv", ["dse", "--sweep", name, "--results", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == 2
    assert "error: The disk is full: make room and start the same command again" in capsys.readouterr().err


def test_an_unknown_workload(tmp_path: Path) -> None:
    name, _ = sweep_in(tmp_path, workloads=["digit"])
    with pytest.raises(UserError, match=r"Workload 'digit' is not known: use one of digits,"):
        main(["--sweep", name, "--results", str(tmp_path)], standalone_mode=False)
    assert not (tmp_path / "dse.json").exists()


def test_a_scheduler_that_is_not_there(asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "connect", connect)
    monkeypatch.setattr("penni_escalate.common.workers._TIMEOUT", 1)
    name, _ = sweep_in(tmp_path)
    with pytest.raises(UserError, match=r"Scheduler 'tcp://127\.0\.0\.1:9' cannot be reached"):
        main(["--sweep", name, "--scheduler", "tcp://127.0.0.1:9"], standalone_mode=False)
    assert asked == []
