"""Writes build/results/test.json at the end of a run; gives every worker one thread."""

import os
import time
from pathlib import Path

import pytest

from penni_escalate.common.paths import RESULTS, name_caches
from penni_escalate.common.results import write_json
from penni_escalate.common.versions import simulation_tools

# Workers run side by side: more threads than cores, which spin while they wait, make each of them slower. PyTorch and
# NumPy read it as they are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
name_caches()

#: In this order: models without a simulator, units, stream core, accelerator, what runs many. What takes a worker a
#: minute, the benches of all units, must not come last, where the other worker would wait for it.
ORDER = ("common", "configs", "golden", "rtl", "compress", "evaluate", "tb/base", "tb/units", "tb/stream_core", "tb")

_BEGIN = time.time()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("compiles"):
            return -1
        return next((n for n, folder in enumerate(ORDER) if item.path.is_relative_to(tests / folder)), len(ORDER))

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    stats = terminalreporter.stats
    document = {
        "exit_status": int(exitstatus),
        **{outcome: len(stats.get(outcome, [])) for outcome in ("passed", "failed", "error", "skipped")},
        "failures": [report.nodeid for report in [*stats.get("failed", []), *stats.get("error", [])]],
        "seconds": round(time.time() - _BEGIN, 1),
        "tools": simulation_tools(),
    }
    write_json(RESULTS / "test.json", document)
