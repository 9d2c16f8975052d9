"""compress/basis_choice: M of each layer, by cycles and errors."""

from pathlib import Path
from typing import Any

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.compress.basis_choice import Candidate, cheapest
from penni_escalate.compress.layers import DecomposedConv2d
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.recipe import as_fields
from tests.compress.small_networks import Plain, own, recipe

CANDIDATES = {
    "wide": [Candidate(2, 0.30, 100), Candidate(3, 0.10, 200), Candidate(6, 0.02, 400)],
    "bound": [Candidate(2, 0.10, 300), Candidate(3, 0.05, 300), Candidate(6, 0.01, 300)],
    "narrow": [Candidate(2, 0.05, 80), Candidate(3, 0.02, 90), Candidate(6, 0.01, 100)],
}


@pytest.mark.parametrize(
    ("budget", "wide", "narrow"),
    # Saved cycles for an error: wide 2500 to M = 3 and 500 on to M = 2, narrow 1000 to M = 3 and 333 on to M = 2.
    [(0.0, 6, 6), (0.01, 6, 3), (0.08, 3, 6), (0.09, 3, 3), (0.12, 3, 2), (0.30, 2, 3), (1.0, 2, 2)],
)
def test_most_cycles_for_an_error_first_and_no_step_that_saves_none(budget: float, wide: int, narrow: int) -> None:
    assert cheapest(CANDIDATES, budget + 1e-9) == {"wide": wide, "bound": 6, "narrow": narrow}


def decomposed(folder: Path, **schedule: Any) -> tuple[dict[str, int], list[dict[str, Any]], list[str]]:
    """M of each decomposed layer, details of the step, and what was said."""
    said: list[str] = []
    fields = {"configuration": "tiny", "basis": [2, 5], **schedule}
    run = Compression(recipe(own(Plain), schedule=fields), folder, say=said.append)
    run.runner.learn_from(run.network)
    details = run.decompose()
    found = {
        layer.name: run.network.get_submodule(layer.module).basis.shape[0]
        for layer in run.graph.layers
        if layer.module and isinstance(run.network.get_submodule(layer.module), DecomposedConv2d)
    }
    return found, details, said  # type: ignore[return-value]


def test_a_run_says_what_each_layer_got_and_why(tmp_path: Path) -> None:
    most, details, said = decomposed(tmp_path, error=0.0, density=0.9)
    assert most == {"conv2": 5, "conv3": 5}
    fewest, _, _ = decomposed(tmp_path, error=100.0, density=0.9)
    # Multiplications decide how long the other takes, whatever its M is.
    assert fewest == {"conv2": 5, "conv3": 2}
    for layer in details:
        few, many = layer["candidates"]
        assert (few["rows"], many["rows"]) == (2, 5)
        assert few["error"] > many["error"] >= 0
        assert (few["cycles"] < many["cycles"]) == (layer["name"] == "conv3")
        assert any(f"'{layer['name']}': 5 of 2: " in line for line in said)


def test_a_layer_that_the_recipe_names_keeps_its_own(tmp_path: Path) -> None:
    fields = {"basis": 4, "layers": {"conv3": 4}}
    schedule = {"configuration": "tiny", "basis": [2], "density": 0.5}
    run = Compression(recipe(own(Plain), decomposition=fields, schedule=schedule), tmp_path)
    run.runner.learn_from(run.network)
    assert [(layer["name"], layer["rows"]) for layer in run.decompose()] == [("conv2", 2), ("conv3", 4)]


def test_more_basis_kernels_than_the_configuration_has_rows(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Layer 'conv2' does not fit configuration 'tiny': "):
        Compression(recipe(own(Plain), schedule={"configuration": "tiny", "basis": [8], "density": 0.5}), tmp_path)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"configuration": "tiny", "basis": [0]}, "'schedule.basis.0'"),
        ({"configuration": "tiny", "balance": -1}, "'schedule.balance'"),
        ({"balance": 1}, "'schedule.configuration' is missing"),
        ({"configuration": "tiny", "rows": 2}, "'schedule.rows' is not known"),
        ({"configuration": "tiny", "basis": [2], "density": 1.0}, "'schedule.density'"),
        ({"configuration": "tiny", "error": 0.3}, "'schedule' changes nothing: give 'schedule.balance'"),
    ],
)
def test_fields_that_are_none(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        recipe(schedule=fields)


def test_a_density_that_nothing_tells() -> None:
    phase = {"deviations": [0.5], "epochs": 1}
    with pytest.raises(UserError, match=r"'schedule\.density' is missing"):
        recipe(schedule={"configuration": "tiny", "basis": [2]}, pruning=phase)
    recipe(schedule={"configuration": "tiny", "basis": [2], "density": 0.5}, pruning=phase)
    with pytest.raises(UserError, match=r"'schedule\.balance' acts where 'pruning\.sparsities' are given"):
        recipe(schedule={"configuration": "tiny", "balance": 1.0}, pruning=phase)


def test_feedback_that_preserves_the_float_network_is_not_pruned_before() -> None:
    quantization = {**as_fields(recipe())["quantization"], "feedback": {"images": 4, "reference": "float"}}
    with pytest.raises(UserError, match=r"'quantization\.feedback\.reference' is 'float': nothing may be pruned"):
        recipe(quantization=quantization)
