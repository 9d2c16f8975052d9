"""Dask's workers: schedulers that are not there. tests/tb/flows/test_regress.py runs jobs on those that are."""

import pytest

import penni_escalate.common.workers as workers
from penni_escalate.common.errors import UserError
from penni_escalate.common.workers import connect


def test_schedulers_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_TIMEOUT", 1)
    with pytest.raises(UserError, match="Scheduler 'slurm' needs the command 'sbatch'"), connect("slurm", 1):
        pass
    unreachable = pytest.raises(UserError, match=r"Scheduler 'tcp://127\.0\.0\.1:9' cannot be reached")
    with unreachable, connect("tcp://127.0.0.1:9", 1):
        pass
