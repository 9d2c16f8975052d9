"""Which configurations take the workloads' layers."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from penni_escalate.common.paths import ROOT
from penni_escalate.configs.accelerator import Accelerator, load_accelerator, preset_names
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import Trace, simulate
from penni_escalate.golden.fit import exceeds_limits
from penni_escalate.golden.overflow import check_accumulator, z_problem
from penni_escalate.golden.schedule import load_words, passes_of
from penni_escalate.golden.sparsemap import encode
from penni_escalate.golden.workloads import WorkloadLayer, load_workload, with_raised_limits, workload_names
from penni_escalate.golden.workloads.entries import ROWS_MAX

FULL = with_raised_limits(load_accelerator("full"))


def problems(layer: WorkloadLayer) -> list[str | None]:
    core = layer.layer
    check_accumulator(layer.name, core)
    return [
        exceeds_limits(core.geometry, core.rows_used, FULL),
        z_problem(core.coefficients, core.signed_in, FULL.z_bits),
    ]


@pytest.mark.parametrize("name", [name for name in workload_names() if name != "hed"])
def test_the_geometries_of_every_workload_fit_preset_full_with_raised_limits(name: str) -> None:
    for layer in load_workload(name).rivals.layers:
        assert exceeds_limits(layer.geometry, 6, FULL) is None


@pytest.mark.parametrize("name", ["vgg16-cifar", "resnet56-cifar", "alexnet", "digits-95"])
def test_nothing_can_overflow(name: str) -> None:
    for layer in load_workload(name).layers:
        assert problems(layer) == [None, None]


@pytest.mark.parametrize(("name", "layer"), [("resnet50", "layer4_2_conv1"), ("vgg16-imagenet", "conv5_1")])
def test_nothing_can_overflow_where_most_channels_meet(name: str, layer: str) -> None:
    """ResNet-50's 2,048 channels at a density of 0.3 need more bits of z than preset full has."""
    found = load_workload(name).layer(layer)
    assert problems(found) == [None, None]
    refused = z_problem(found.layer.coefficients, False, load_accelerator("full").z_bits) is not None
    assert refused == (name == "resnet50")


def test_no_preset_has_more_rows_than_a_file_allows() -> None:
    assert max(load_accelerator(name).rows for name in preset_names()) <= ROWS_MAX


def traces() -> tuple[Trace, Trace]:
    """4 kernels of digits-95's conv7 on a part of its input, on preset tiny without and with raised limits."""
    layer = load_workload("digits-95").layer("conv7")
    codes, whole = layer.activations[:3, :3, :8], layer.layer
    core = replace(
        whole,
        source_channels=(8,),
        geometry=replace(whole.geometry, channels=8, height=3, width=3, kernels=4),
        coefficients=whole.coefficients[:4, :8],
        bias=whole.bias[:4],
        multiplier=whole.multiplier[:4],
        shift=whole.shift[:4],
    )

    def trace(config: Accelerator) -> Trace:
        passes = passes_of(core, config)
        loads = [load_words(work, config) for work in passes]
        return simulate(config, passes, [encode(codes, config.group)] * len(passes), loads, free_running())

    tiny = load_accelerator("tiny")
    return trace(tiny), trace(with_raised_limits(tiny))


def test_no_cycle_depends_on_the_raised_limits() -> None:
    """The same outputs, cycles and counters; in a process of its own, where nothing has to be compiled."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.golden.workloads.test_limits"],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr


if __name__ == "__main__":
    low, high = traces()
    assert low.core_counters.max() > 50
    for name in ("outputs", "block_counters", "core_counters"):
        np.testing.assert_array_equal(getattr(low, name), getattr(high, name))
