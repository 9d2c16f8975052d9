"""compress/schedule: what coefficients cost in their rows, and how long a layer takes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from penni_escalate.common.errors import UserError
from penni_escalate.compress.decompose import decompose_network
from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.prune import prune_to
from penni_escalate.compress.recipe import Decomposition
from penni_escalate.compress.schedule import charges_of, cycles_of, layer_charges, row_charges
from penni_escalate.configs.accelerator import load_accelerator
from tests.compress.small_networks import Plain, Residual, coefficient_counts, entries, own, recipe, taken

FULL = load_accelerator("full")


def codes(*counts: list[int]) -> np.ndarray:
    """Ternary codes with so many coefficients in each kernel of each output channel, of 100 input channels."""
    table = np.zeros((len(counts), 100, len(counts[0])), np.int8)
    for k, own_counts in enumerate(counts):
        for m, count in enumerate(own_counts):
            table[k, :count, m] = 1
    return table


def layer(**fields: object) -> Layer:
    shape: dict[str, object] = {"in_shape": (100, 20, 20), "out_shape": (16, 20, 20), "kernel": (3, 3), "padding": 1}
    return Layer("one", Role.DECOMPOSED, "node", ("input",), **{**shape, **fields})  # type: ignore[arg-type]


def test_equal_rows_cost_the_same() -> None:
    assert (row_charges(codes([5, 5], [5, 5]), rows=2, blocks=2, balance=1) == 1).all()


def test_the_heavier_row_costs_more_and_the_rate_stays() -> None:
    table = codes([30, 10], [20, 20])
    charges = row_charges(table, rows=2, blocks=2, balance=1)
    counts = np.count_nonzero(table, axis=1)
    assert charges[0, 0] > charges[1, 0] == charges[1, 1] > charges[0, 1]
    assert charges[0, 0] / charges[0, 1] == pytest.approx(3)
    assert (charges * counts).sum() == pytest.approx(counts.sum())
    softer = row_charges(table, rows=2, blocks=2, balance=0.5)
    assert softer[0, 0] / softer[0, 1] == pytest.approx(3**0.5)
    assert (row_charges(table, rows=2, blocks=2, balance=0) == 1).all()


def test_a_kernel_of_two_rows_has_half_the_load() -> None:
    """Three rows for two kernels: the heavier one is dealt to two."""
    charges = row_charges(codes([20, 10]), rows=3, blocks=1, balance=1)
    assert charges[0, 0] == charges[0, 1]


def test_an_empty_kernel_costs_as_much_as_the_one_that_has_its_rows() -> None:
    charges = row_charges(codes([20, 0], [8, 8]), rows=2, blocks=2, balance=1)
    assert charges[0, 1] == charges[0, 0] > charges[1, 0]


def test_blocks_of_other_passes_do_not_wait() -> None:
    charges = row_charges(codes([10, 10], [10, 10], [40, 40], [40, 40]), rows=2, blocks=2, balance=1)
    assert (charges == 1).all()


def test_nothing_costs_nothing() -> None:
    assert (row_charges(codes([0, 0]), rows=6, blocks=16, balance=1) == 1).all()


def test_a_skip_tensor_takes_a_row() -> None:
    table = torch.from_numpy(codes(*[[20, 20, 20]] * 16)).float()
    plain, added = charges_of(layer(), FULL, 1), charges_of(layer(skip="input"), FULL, 1)
    assert plain is not None and added is not None
    # Six rows are two for each kernel, five leave one of them a single row.
    assert (plain(table) == 1).all() and not (added(table) == 1).all()
    assert charges_of(layer(flatten=True), FULL, 1) is None


def test_cycles_are_the_schedules() -> None:
    """Rows that are levelled take less time where they decide it, and no less where multiplications do."""
    level, uneven = codes(*[[50, 50, 50, 50, 50, 50]] * 16), codes(*[[100, 40, 40, 40, 40, 40]] * 16)
    assert cycles_of(layer(), level, FULL) < cycles_of(layer(), uneven, FULL)
    few = codes(*[[8, 1, 1, 1, 1, 1]] * 16)
    assert cycles_of(layer(), few, FULL) == cycles_of(layer(), codes(*[[3, 2, 2, 2, 2, 2]] * 16), FULL)


@pytest.mark.parametrize("network_type", [Plain, Residual])
def test_pruning_by_rows_keeps_the_number_and_levels_them(network_type: type[torch.nn.Module]) -> None:
    network, graph = taken(network_type, 0)
    decompose_network(network, graph, Decomposition(5))
    chosen = list(entries(network, graph).values())

    def heaviest() -> float:
        """The mean over layers of the heaviest row, relative to the mean row."""
        loads = [np.count_nonzero(entry.table.detach().numpy(), axis=1) for entry in chosen]
        return float(np.mean([load.max() / load.mean() for load in loads]))

    before = [entry.table.detach().clone() for entry in chosen]
    prune_to(chosen, 0.7)
    counts, uneven = coefficient_counts(network, graph), heaviest()
    for entry, table in zip(chosen, before, strict=True):
        entry.parametrizations[0].mask.fill_(1)  # type: ignore[index, union-attr]
        entry.parameter.data.copy_(table.reshape(entry.parameter.shape))
    by_rows = layer_charges(recipe(own(network_type), schedule={"configuration": "full", "balance": 2}))
    prune_to(chosen, 0.7, charges=by_rows)
    assert coefficient_counts(network, graph) == counts
    assert heaviest() < 0.95 * uneven


def test_without_balance_nothing_is_charged() -> None:
    assert layer_charges(recipe()) is None
    assert layer_charges(recipe(schedule={"configuration": "full", "basis": [3]})) is None


def test_a_configuration_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Configuration 'huge' is not known"):
        layer_charges(recipe(schedule={"configuration": "huge", "balance": 1}))
