"""Prediction of whole networks: by golden/ alone, the same cycles as the bench compares with, and bad input."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.configs.accelerator import load_accelerator, preset_names
from penni_escalate.golden import baselines
from penni_escalate.golden.baselines import (
    BASELINES,
    Baseline,
    Budget,
    Outcome,
    RivalLayer,
    budget_of,
    dense_baselines,
    dense_layer,
)
from penni_escalate.golden.command import main
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import CoreCounter
from penni_escalate.golden.figures import total_figures
from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.package import Package, find_package
from penni_escalate.golden.prediction import LayerRun, predict_network, predict_runs
from penni_escalate.golden.schedule import inputs_of, load_words, passes_of
from penni_escalate.golden.selection import select_layers
from penni_escalate.tb.base.load_port import LoadPort
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.stream_run import StreamRun, predict
from tests.golden.random_layers import write_every_kind

TINY = load_accelerator("tiny")


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return write_every_kind(tmp_path / "every_kind", 1, "accuracy")


@pytest.mark.parametrize("preset", preset_names())
def test_words_of_a_pass_are_those_that_the_bench_loads(preset: str) -> None:
    """golden/ counts them on its own; random passes have shared and separate basis kernels, and several groups."""
    config = load_accelerator(preset)
    port = LoadPort(config)
    shared = set()
    for seed in range(16):
        for work in random_run(seed, config).passes:
            assert load_words(work, config) == sum(1 for _ in port.transfers(work))
            shared.add(work.shared_basis)
    assert shared == {False, True}


def test_cycles_are_those_of_the_bench(package: Package) -> None:
    """Layer by layer and image by image what tb/ would compare the Verilog with, counters too."""
    layers, _ = select_layers(package, TINY, None)
    images = (2, 0)
    tensors = run_network(package, package.images[list(images)])
    prediction = predict_network(package, TINY, layers, images)
    assert prediction.model_mismatches == 0
    for layer, found in zip(layers, prediction.layers, strict=True):
        passes = passes_of(layer, TINY)
        cycles = gaps = 0
        for place in range(len(images)):
            skip = None if layer.skip is None else tensors[layer.skip.source][place]
            inputs = inputs_of(layer, layer_input(layer, tensors)[place], TINY, passes, skip)
            trace = predict(TINY, StreamRun("run", passes, inputs, free_running())).trace
            cycles += int(trace.core_counters[CoreCounter.CYCLES]) + trace.gaps
            gaps += trace.gaps
        assert found.cycles == cycles == found.counters["cycles"] + gaps > 0
        assert found.passes == len(passes)
        assert 0 < found.bound_cycles <= found.cycles
        dense = dense_layer(layer.name, layer.geometry, layer_input(layer, tensors)[0])
        budget = budget_of(TINY)
        assert found.baselines == {b.name: 2 * b.run(dense, budget).cycles for b in BASELINES if not b.weights_pruned}
    assert total_figures(prediction.layers).cycles == sum(layer.cycles for layer in prediction.layers)


def test_a_cycle_model_that_computes_something_else_is_detected(package: Package) -> None:
    layers, _ = select_layers(package, TINY, None)

    def change(run: LayerRun) -> tuple[int, int, int]:
        before = run.model_mismatches
        run.clusters[0].trace.outputs[0, 1] ^= 1
        kernels = run.layer.geometry.kernels
        spoilt = replace(run, expected=run.expected.copy())
        spoilt.expected[0, 0, kernels - 1] ^= 1
        return before, run.model_mismatches, spoilt.model_mismatches

    assert predict_runs(package, TINY, layers, (0,), change) == [(0, 1, 2)] * len(layers)


class Serial(Baseline):
    """A cycle for every activation that is not 0, and one for each multiplier."""

    name = "serial"
    title = "one by one"
    weights_pruned = False

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        return Outcome(int(np.count_nonzero(layer.activations)) + budget.multipliers, AccessCounts())


class Pruned(Serial):
    """The same for a pruned network, which a package has not."""

    name = "pruned"
    weights_pruned = True


def test_results_list_every_registered_dense_baseline(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [baseline.name for baseline in dense_baselines()]
    assert before == [baseline.name for baseline in BASELINES if not baseline.weights_pruned] != []
    monkeypatch.setattr(baselines, "BASELINES", (*BASELINES, Serial(), Pruned()))
    arguments = ["--net", str(package.folder), "--config", "tiny", "--image", "1", "--results", str(tmp_path)]
    main(arguments, standalone_mode=False)
    document = json.loads((tmp_path / "predict.json").read_text())
    cycles = int(np.count_nonzero(package.images[1])) + 24
    layer = document["layers"][0]
    assert layer["baselines"]["serial"] == {"cycles": cycles, "speedup": cycles / layer["cycles"]}
    total = sum(entry["baselines"]["serial"]["cycles"] for entry in document["layers"])
    assert document["total"]["baselines"]["serial"]["cycles"] == total > cycles
    assert list(layer["baselines"]) == [*before, "serial"]
    printed = capsys.readouterr().out
    assert "one by one" in printed and f"{cycles:,}" in printed and f"{cycles / layer['cycles']:.2f}x" in printed


def golden(*arguments: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The command, in a Python that has none of some modules."""
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({without!r})); "
        f"sys.argv[1:] = ['predict', *{list(arguments)!r}]; from penni_escalate.cli import run; run()"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_needs_no_simulator_and_no_testbench(tmp_path: Path) -> None:
    parts = tuple(f"penni_escalate.{part}" for part in ("tb", "rtl", "compress"))
    without = (*parts, "cocotb", "pyuvm", "torch")
    arguments = (
        "--net",
        "digits",
        "--config",
        "small",
        "--layer",
        "conv6",
        "--images",
        "2",
        "--results",
        str(tmp_path),
    )
    result = golden(*arguments, without=without)
    assert result.returncode == 0, result.stdout + result.stderr
    document = json.loads((tmp_path / "predict.json").read_text())
    (layer,) = document["layers"]
    assert layer["name"] == "conv6" and layer["cycles"] == document["total"]["cycles"] >= layer["bound_cycles"] > 0
    for text in ("conv6", f"{layer['cycles']:,}", f"{layer['bound_cycles']:,}", "slowest", "predict.json"):
        assert text in result.stdout
    assert document["golden_mismatches"] == 0 and document["host_fallback"] == []
    assert len(document["images"]) == 2


def test_a_package_is_read_without_asking_what_runs_it() -> None:
    script = (
        "import sys, penni_escalate.golden.package\n"
        "print([m for m in sys.modules if m.startswith('penni_escalate.golden.') and m[22:] in ('fit', 'schedule')])"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--net", "lenet"], "Network 'lenet' is not known: use one of digits"),
        (["--net", "x" * 300], "xxx' is not known: use one of digits"),
        (["--net", "a\nerror: b\x1b[31m"], r"Network 'a\nerror: b\x1b[31m' is not known: use one of digits"),
        (["--config", "huge"], "Configuration 'huge' is not known: use one of full, small, tiny"),
        (["--layer", "conv9"], "Layer 'conv9' is not a layer of network 'digits': use one of conv1, conv2"),
        (
            ["--net", "hed", "--layer", "interpolate"],
            "Layer 'interpolate' does not fit configuration 'small': the stream core does not run kind upsample",
        ),
        (["--images", "0"], "--images is 0: it must be in 1..1000"),
        (["--image", "1000"], "--image is 1000: it must be in 0..999"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--results", ""], "Invalid value for '--results': it is empty, name a folder"),
    ],
)
def test_bad_input_gets_one_sentence_and_status_2(arguments: list[str], sentence: str) -> None:
    result = golden(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ") and sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_empty_folder_is_no_package(tmp_path: Path) -> None:
    assert find_package(str(tmp_path)) == tmp_path
    with pytest.raises(UserError, match="is not known: use one of digits"):
        find_package(os.path.join(str(tmp_path), "none"))
