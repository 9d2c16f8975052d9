"""penni-escalate lint: ruff, mypy, and verible and slang over the Verilog, into build/results/lint.json."""

import subprocess
import sys
import time

import click

from penni_escalate.common.paths import RESULTS, ROOT, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.versions import tool_versions

CHECKS = {
    "ruff": ("ruff", "check", "."),
    "format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "verilog": ("penni_escalate.rtl.verilog_lint",),
}


@click.command()
def main() -> None:
    """Run every check, print what they say, and end with status 1 where one complains."""
    results = {}
    for name, command in CHECKS.items():
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        print(done.stdout, end="", flush=True)
        results[name] = {
            "ok": done.returncode == 0,
            "output": done.stdout.splitlines(),
            "seconds": round(time.perf_counter() - begin, 2),
        }
    ok = all(result["ok"] for result in results.values())
    path = write_json(
        RESULTS / "lint.json",
        {"ok": ok, "checks": results, "tools": tool_versions("ruff", "mypy", "verible", "pyslang")},
    )
    print(f"results in {relative(path)}")
    if not ok:
        raise SystemExit(1)
