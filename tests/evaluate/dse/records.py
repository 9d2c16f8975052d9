"""Sweeps and records that cost nothing to make."""

from pathlib import Path

import yaml

from penni_escalate.evaluate.dse.sweep import Sweep, load_sweep
from penni_escalate.golden.counts import AccessCounts

#: A base, an ablation for the model alone, a series of three.
FIELDS = {
    "base": "tiny",
    "workloads": ["digits", "vgg16-cifar"],
    "on_front": ["digits-95"],
    "ablations": {"ring of 1": {"ring": 1}},
    "series": {"window": [{"lookahead": 0}, {"lookahead": 1}, {"lookahead": 4}]},
}


def sweep_in(folder: Path, **fields: object) -> tuple[str, Sweep]:
    """A file of a sweep, and what it comes to."""
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({**FIELDS, **fields}, sort_keys=False))
    return str(path), load_sweep(str(path))


def counts(picojoules: int) -> AccessCounts:
    """Counts whose energy on the chip is this: a 32-bit addition takes 0.1 pJ; and a byte of DRAM, 200 pJ."""
    return AccessCounts(additions=10 * picojoules, dram_bytes=1)
