"""Dask's workers, on this machine or a cluster: whatever is spread over processes is spread over these."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster
from distributed.deploy.cluster import Cluster

from penni_escalate.common.errors import UserError
from penni_escalate.common.processes import ignoring_interrupts

#: Workers that a task may lose before it is given up: a dying worker is held against all that it had been given.
LOSSES = 5
#: Seconds for a scheduler to answer.
_TIMEOUT = 10


@contextmanager
def connect(scheduler: str, jobs: int) -> Iterator[Client]:
    """A Dask client.

    Args:
        scheduler: 'local'; 'slurm' or 'lsf', whose workers Dask's configuration describes; or a scheduler's address.
        jobs: workers to ask for.

    Raises UserError where there is no such scheduler.
    """
    # A command that is interrupted says so itself.
    logging.getLogger("distributed").setLevel(logging.ERROR)
    dask.config.set({"distributed.scheduler.allowed-failures": LOSSES, "distributed.worker.daemon": False})
    cluster: Cluster | None = None
    if scheduler == "local":
        with ignoring_interrupts():
            cluster = LocalCluster(
                n_workers=jobs, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1", memory_limit=0
            )
    elif scheduler in ("slurm", "lsf"):
        cluster = _job_queue(scheduler, jobs)
    try:
        client = Client(cluster if cluster is not None else scheduler, timeout=_TIMEOUT)
    except (OSError, ValueError) as error:
        raise UserError(
            f"Scheduler '{scheduler}' cannot be reached ({type(error).__name__}): use local, slurm, lsf, or the "
            "address of a running Dask scheduler, like tcp://host:8786."
        ) from None
    try:
        yield client
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def _job_queue(scheduler: str, jobs: int) -> Cluster:
    from dask_jobqueue import LSFCluster, SLURMCluster

    command = {"slurm": "sbatch", "lsf": "bsub"}[scheduler]
    if shutil.which(command) is None:
        raise UserError(f"Scheduler '{scheduler}' needs the command '{command}', which is not here: use local.")
    try:
        cluster = {"slurm": SLURMCluster, "lsf": LSFCluster}[scheduler]()
    except ValueError as error:
        raise UserError(
            f"Scheduler '{scheduler}' is not configured ({str(error).splitlines()[0]}): describe its workers in "
            "~/.config/dask/jobqueue.yaml."
        ) from None
    cluster.scale(jobs=jobs)
    return cluster
