"""Spreads configurations and workloads over Dask's workers, and keeps each record as it comes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distributed import Client, KilledWorker, as_completed

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.common.workers import LOSSES
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.evaluate.dse.counting import count_workload
from penni_escalate.evaluate.dse.store import Record, Store
from penni_escalate.golden.counts import AccessCounts


@dataclass(frozen=True)
class Task:
    """A configuration on a workload."""

    config: Accelerator
    workload: str


@dataclass(frozen=True)
class Lost:
    """A task that came to no record, and why."""

    task: Task
    reason: str


def count(task: Task) -> Record:
    """Count on a worker; a configuration that cannot run the workload is a record too."""
    begin = time.perf_counter()
    try:
        cycles, counts = count_workload(task.config, task.workload)
        problem = ""
    except UserError as error:
        cycles, counts, problem = 0, AccessCounts(), str(error)
    return Record(task.workload, cycles, counts, round(time.perf_counter() - begin, 3), problem)


def count_all(
    client: Client, tasks: Sequence[Task], store: Store, advance: Callable[[Task, Record | None], None]
) -> tuple[dict[Task, Record], list[Lost]]:
    """Count tasks on a client's workers; ``advance`` is given each as it comes, and None where it was lost.

    A task whose worker is killed is tried again on another, up to ``LOSSES`` times. Records are kept by this process,
    so that workers need no folder in common with it. Raises OSError where they cannot be.
    """
    records: dict[Task, Record] = {}
    lost: list[Lost] = []
    # Not pure: a key of its own each time, so that one that was cancelled is not taken for the next.
    futures = {client.submit(count, task, pure=False): task for task in tasks}
    try:
        for future in as_completed(futures, loop=client.loop):
            task, error = futures[future], future.exception()
            if error is not None:
                killed = isinstance(error, KilledWorker)
                lost.append(
                    Lost(task, f"{LOSSES} workers were lost while they counted it" if killed else first_line(error))
                )
                advance(task, None)
                continue
            records[task] = future.result()
            store.write(task.config, records[task])
            advance(task, records[task])
            # The scheduler keeps a result as long as somebody holds its future.
            future.release()
    finally:
        client.cancel(list(futures))
    return records, lost
