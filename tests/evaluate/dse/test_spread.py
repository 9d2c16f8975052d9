"""Counting on Dask's workers: each record is kept as it comes, whatever happens to a worker."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from distributed import Client, KilledWorker, get_worker

from penni_escalate.common.errors import UserError
from penni_escalate.common.workers import LOSSES, connect
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.evaluate.dse import spread
from penni_escalate.evaluate.dse.model_only import changed
from penni_escalate.evaluate.dse.spread import Task, count, count_all
from penni_escalate.evaluate.dse.store import Record, Store
from tests.evaluate.dse.records import counts

TINY = load_accelerator("tiny")
TASKS = [Task(changed(TINY, {"ring": ring}), "digits") for ring in (2, 4, 16, 32)]


@pytest.fixture(scope="module")
def here() -> Iterator[Client]:
    """A worker in this process."""
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
        yield client


def quick(task: Task) -> Record:
    return Record(task.workload, 100 * task.config.ring, counts(1), 0.0)


def broken(task: Task) -> Record:
    if task.config.ring == 4:
        raise ZeroDivisionError("division by zero.")
    return quick(task)


def given_up(task: Task) -> Record:
    if task.config.ring == 4:
        # As the scheduler says it.
        raise KilledWorker("count", SimpleNamespace(address="tcp://gone"), LOSSES)  # type: ignore[arg-type]
    return quick(task)


def dies_once(task: Task) -> Record:
    """Kills its own worker the first time."""
    mark = Path(os.environ["MARK"])
    if task.config.ring == 4 and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    assert get_worker() is not None
    return quick(task)


def test_every_record_is_kept_as_it_comes(here: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted after the second: two are there for the next sweep."""
    monkeypatch.setattr(spread, "count", quick)
    store, came = Store(tmp_path), []

    def advance(task: Task, record: Record | None) -> None:
        assert store.read(task.config, task.workload) == record, "told before it was kept"
        came.append(task)
        if len(came) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_all(here, TASKS, store, advance)
    kept = {task: store.read(task.config, "digits") for task in TASKS}
    assert {task for task, record in kept.items() if record is not None} == set(came)
    rest = [task for task in TASKS if task not in came]
    records, lost = count_all(here, rest, store, lambda task, record: None)
    assert records == {task: quick(task) for task in rest}
    assert lost == []


@pytest.mark.parametrize(
    ("does", "reason"),
    [(broken, "division by zero"), (given_up, f"{LOSSES} workers were lost while they counted it")],
)
def test_what_fails_is_reported_and_the_others_are_kept(
    does: object, reason: str, here: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "count", does)
    came: list[Record | None] = []
    records, lost = count_all(here, TASKS, Store(tmp_path), lambda task, record: came.append(record))
    assert set(records) == set(TASKS) - {TASKS[1]}
    assert [(one.task, one.reason) for one in lost] == [(TASKS[1], reason)]
    assert came.count(None) == 1
    assert Store(tmp_path).read(TASKS[1].config, "digits") is None, "it will be tried again"


def test_a_full_disk_keeps_what_there_is(here: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "count", quick)
    store, write = Store(tmp_path), Store.write

    def full(self: Store, config: object, record: Record) -> None:
        if record.cycles == 1600:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, config, record)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(OSError, match="No space left"):
        count_all(here, TASKS[:3], store, lambda task, record: None)
    assert store.read(TASKS[2].config, "digits") is None


def test_a_configuration_that_cannot_run_is_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(config: object, name: str) -> None:
        raise UserError("layer 'conv1': basis is 6, rows allows 5")

    monkeypatch.setattr(spread, "count_workload", unable)
    record = count(TASKS[0])
    assert (record.cycles, record.problem) == (0, "layer 'conv1': basis is 6, rows allows 5")


def test_a_killed_worker_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "count", dies_once)
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with connect("local", 1) as client:
        records, lost = count_all(client, TASKS[:3], Store(tmp_path), lambda task, record: None)
    assert (tmp_path / "mark").exists(), "no worker was killed"
    assert records == {task: quick(task) for task in TASKS[:3]}
    assert lost == []
