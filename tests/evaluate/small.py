"""A workload of two small drawn layers, and results worked out without any machine."""

from pathlib import Path

from tests.golden.workloads.test_loading import SMALL, write


def small_workload(folder: Path) -> str:
    """Write the workload's file; returns its path. Layer b is there three times."""
    return write(folder, SMALL, lambda fields: fields["layers"][1].update(repeats=3))
