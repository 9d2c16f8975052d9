"""The stream core's random runs against a mutant."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.tb.base.finding import DIED, Finding
from penni_escalate.tb.base.simulator import Design, Simulator
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.stream_run import Prediction, bench_design, describe, predict, run_batch

#: The test that mutants are run under.
CORE_TEST = "stream_core.random"
#: Everything random of a simulation follows from it.
SEED = 1
#: Short runs in which every mutant shows that can show in the stream core: those in which most do come first.
SEEDS = ((2,), (3, 8), (7, 9, 17, 18, 22, 26, 31, 32, 55, 58, 83))
#: Runs in which single bits of psums decide on an output, for generated mutants that survive the others.
MORE_SEEDS = ((68, 407, 541), (162, 454, 571))
Seeds = tuple[tuple[int, ...], ...]


@cache
def _predictions(config: Accelerator, seeds: tuple[int, ...]) -> Sequence[Prediction]:
    """The runs with what the cycle model says of them."""
    return [predict(config, random_run(seed, config)) for seed in seeds]


def changed_design(config: Accelerator, files: Mapping[str, str], folder: Path) -> Design:
    """The bench of the stream core round the given Verilog, whose ports and instances are those of the generator's."""
    return replace(bench_design(config, folder / "rtl", files, render(config)), folder=folder / "sim")


def run_core(design: Design, folder: Path, batches: Seeds = SEEDS, plusargs: Sequence[str] = ()) -> Finding:
    """Run the stream core, of a design that is built, up to the first batch in which something fires."""
    for number, seeds in enumerate(batches):
        work = _predictions(design.config, seeds)
        place = folder / str(number)
        outcome, comparisons = run_batch(design, Simulator.ICARUS, work, place, seed=SEED, plusargs=plusargs)
        if not outcome.ended:
            return Finding(CORE_TEST, DIED, outcome.unended)
        for prediction, comparison in zip(work, comparisons, strict=True):
            if comparison.differences:
                first = comparison.differences[0]
                return Finding(CORE_TEST, first.what, f"{prediction.run.name}: {describe(first)}")
            if not comparison.ok:
                return Finding(CORE_TEST, "nothing compared", f"{prediction.run.name}: nothing was compared")
    return Finding(CORE_TEST)
