"""What holds for every baseline: registry, pages, any number of multipliers, bad input."""

import re

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.configs.accelerator import load_accelerator
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
from penni_escalate.golden.baselines.overlap import matched_products, meeting_codes, window_blocks
from penni_escalate.golden.baselines.traffic import coded_bytes
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.geometry import Geometry
from tests.golden.baselines import naive
from tests.golden.baselines.layers import SEEDS, budget, layer, random_layer

EVERY = pytest.mark.parametrize("machine", BASELINES, ids=lambda machine: machine.name)


def test_names_are_distinct() -> None:
    assert (
        len({machine.name for machine in BASELINES}) == len({machine.title for machine in BASELINES}) == len(BASELINES)
    )
    assert [machine.name for machine in dense_baselines()] == ["ideal_dense", "tiled_dense", "eyeriss"]


@EVERY
def test_each_has_a_page_that_says_how_it_errs(machine: Baseline) -> None:
    """The three forms of SparTen share one. The index leads to it and names the machine."""
    folder = ROOT / "docs" / "baselines"
    page = (folder / f"{machine.name.partition('_gb_')[0]}.md").read_text()
    assert f"`{machine.name}`" in page
    for heading in ("Model", "Simplifications", "Example"):
        assert f"## {heading}\n" in page
    rows = re.findall(
        r"^\| .* \| (rival|accelerator|either) \|$", page.partition("## Simplifications\n")[2], re.MULTILINE
    )
    assert rows and "accelerator" not in rows
    assert f"`{machine.name}`" in (folder / "README.md").read_text()


def test_budget_is_that_of_the_configuration() -> None:
    """small: 16 blocks of 6 rows of 1 tap and 2 adders, groups of 16, 8 output lanes."""
    assert budget_of(load_accelerator("small")) == Budget(multipliers=96, adders=192, input_codes=16, output_codes=8)


@EVERY
@pytest.mark.parametrize("multipliers", [1, 2, 3, 15, 16, 17, 31, 33, 257, 4096])
def test_no_machine_is_faster_than_the_ideal_one(machine: Baseline, multipliers: int) -> None:
    """Of the dense ones and of the sparse ones, at any number of multipliers; at one, all do as much as they count."""
    ideal = next(
        one for one in BASELINES if one.name == ("ideal_two_sided" if machine.weights_pruned else "ideal_dense")
    )
    for seed in SEEDS:
        example = random_layer(seed, channels=20, kernels=20)
        found = machine.run(example, budget(multipliers))
        assert found.cycles >= ideal.run(example, budget(multipliers)).cycles
        assert found.counts.multiplications <= found.cycles * multipliers
        assert found.counts.additions <= found.counts.multiplications
        assert min(found.counts.register_bits, found.counts.buffer_bytes, found.counts.dram_bytes) > 0


@EVERY
def test_a_machine_is_not_slower_with_many_more_multipliers(machine: Baseline) -> None:
    for seed in SEEDS:
        example = random_layer(seed, channels=20, kernels=20)
        cycles = [machine.run(example, budget(multipliers)).cycles for multipliers in (1, 16, 512)]
        assert cycles == sorted(cycles, reverse=True)


@pytest.mark.parametrize("machine", dense_baselines(), ids=lambda machine: machine.name)
def test_dense_machines_ignore_weights(machine: Baseline) -> None:
    example = random_layer(3)
    codes = np.where(example.activations, 7, 0).astype(np.uint8)
    same = dense_layer("layer", example.geometry, codes)
    assert machine.run(same, budget(10)) == machine.run(example, budget(10))


def test_codes_that_a_kernel_meets() -> None:
    for seed in SEEDS:
        example = random_layer(seed)
        found = np.zeros_like(meeting_codes(example))
        for _, _, r, s, y, x in naive.places(example):
            found[r, s] += example.activations[y, x]
        assert np.array_equal(meeting_codes(example), found)
        assert matched_products(example) == naive.matched(example)


def test_windows_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line at a time they are what they are at once."""
    example = random_layer(4)
    whole = list(window_blocks(example))
    monkeypatch.setattr("penni_escalate.golden.baselines.overlap._BLOCK", 1)
    lines = list(window_blocks(example))
    assert len(whole) == 1 < len(lines) == example.geometry.out_height
    for first, parts in zip(whole[0], zip(*lines, strict=True), strict=True):
        assert np.array_equal(first, np.concatenate(parts))


def test_coded_bytes_by_hand() -> None:
    """17 codes have a map of 3 bytes; 14 of them not 0 make it as long as the plain tensor."""
    assert [coded_bytes(nonzeros, 17) for nonzeros in (0, 13, 14, 17)] == [3, 16, 17, 17]


def test_a_baseline_without_multipliers_is_refused() -> None:
    with pytest.raises(UserError, match=r"^A baseline is given 0 multipliers: it needs 1 or more\.$"):
        budget(0)


def test_a_layer_of_another_shape_is_refused() -> None:
    g = Geometry(channels=2, height=3, width=3, kernels=4, kernel_height=1, kernel_width=1)
    weights, codes = np.ones((4, 2, 1, 1), np.bool_), np.ones((3, 3, 2), np.bool_)
    RivalLayer("conv", g, weights, codes)
    with pytest.raises(
        UserError, match=r"^Layer 'conv': weights are bool \(3, 2, 1, 1\): they must be bool \(4, 2, 1, 1\)\.$"
    ):
        RivalLayer("conv", g, weights[:3], codes)
    with pytest.raises(
        UserError, match=r"^Layer 'conv': activations are int8 \(3, 3, 2\): they must be bool \(3, 3, 2\)\.$"
    ):
        RivalLayer("conv", g, weights, codes.astype(np.int8))


def test_outcomes_add() -> None:
    first, second = Outcome(3, AccessCounts(additions=5)), Outcome(4, AccessCounts(additions=1, dram_bytes=2))
    assert first + second == Outcome(7, AccessCounts(additions=6, dram_bytes=2))


def test_nothing_to_do_takes_no_products() -> None:
    """All codes 0: the sparse machines multiply nothing, and do not divide by it."""
    example = layer(np.zeros((3, 2, 3, 3)), np.zeros((4, 4, 2)), padding=1)
    for machine in BASELINES:
        found = machine.run(example, budget(16))
        assert found.counts.multiplications == 0 or machine.name in ("ideal_dense", "tiled_dense")
