"""compress/unstructured/run: a small network from its training to the last density, stopped and resumed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from penni_escalate.common.errors import UserError
from penni_escalate.compress.recipe import Recipe
from penni_escalate.compress.training import Runner
from penni_escalate.compress.unstructured.plan import Plan, plan_of
from penni_escalate.compress.unstructured.result import Point
from penni_escalate.compress.unstructured.run import UnstructuredPruning
from tests.compress.small_networks import Residual, own, recipe

PLAN = Plan((0.5, 0.2), epochs=2, learning_rate=0.01, updates=3)


class Killed(Exception):
    """Stands for the end of the process."""


def pruning(work: Path, plan: Plan = PLAN, settings: Recipe | None = None) -> UnstructuredPruning:
    settings = settings or recipe(own(Residual))
    return UnstructuredPruning(settings, plan, work, progress=False, step=lambda step: None)


def timeless(points: list[Point]) -> list[Point]:
    return [replace(point, seconds=0.0) for point in points]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Point], list[dict[str, np.ndarray]]]:
    """A run without interruption: its folder, points and masks."""
    work = tmp_path_factory.mktemp("whole")
    run = pruning(work)
    points = run.run(lambda point: None)
    return work, points, [{name: mask.copy() for name, mask in run.masks(n).items()} for n in range(2)]


def test_points_and_masks_say_the_same(whole: tuple[Path, list[Point], list[dict[str, np.ndarray]]]) -> None:
    _, points, masks = whole
    total = sum(mask.size for mask in masks[0].values())
    assert [point.target for point in points] == [0.5, 0.2]
    for point, found in zip(points, masks, strict=True):
        assert {layer.name: layer.kept for layer in point.layers} == {name: int(m.sum()) for name, m in found.items()}
        assert {layer.name: layer.shape for layer in point.layers} == {name: m.shape for name, m in found.items()}
        assert point.density == pytest.approx(point.target, abs=1 / total)
        assert 0 <= point.score <= 1
    assert all(not (masks[1][name] & ~masks[0][name]).any() for name in masks[0])
    # 16 images in batches of 8: two steps an epoch.
    assert [(point.epochs, point.steps) for point in points] == [(2, 4), (4, 8)]


def test_the_training_trains_and_the_score_is_that_of_the_masked_network(
    whole: tuple[Path, list[Point], list[dict[str, np.ndarray]]],
) -> None:
    work, points, masks = whole
    run = pruning(work)
    before = {entry.layer.name: entry.tensor.detach().clone() for entry in run.entries}
    run.masks(1)
    for entry in run.entries:
        name, weight = entry.layer.name, entry.tensor.detach()
        assert not weight[torch.from_numpy(~masks[1][name])].any()
        kept = torch.from_numpy(masks[1][name])
        assert (weight[kept] != before[name][kept]).any(), name
    assert run.runner.score(run.network) == points[1].score


@pytest.mark.parametrize("killed_at", [1, 2])
def test_a_killed_run_goes_on(
    killed_at: int,
    whole: tuple[Path, list[Point], list[dict[str, np.ndarray]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """During the first or the second density: what was done is not done again, and the result is the same."""
    _, points, masks = whole
    score = Runner.image_scores
    calls = []

    def killing(runner: Runner, network: Any) -> np.ndarray:
        # The float network is scored first.
        calls.append(network)
        if len(calls) == killed_at + 1:
            raise Killed
        return score(runner, network)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Runner, "image_scores", killing)
        pruning(tmp_path).run(lambda point: None)
    assert sorted(path.name for path in tmp_path.glob("density-*.pt")) == ["density-1.pt"][: killed_at - 1]

    trained = []
    train = Runner.train
    monkeypatch.setattr(Runner, "train", lambda *args, **kwargs: (trained.append(args[1]), train(*args, **kwargs)))
    run = pruning(tmp_path)
    assert timeless(run.run(lambda point: None)) == timeless(points)
    assert trained == ["density-1", "density-2"][killed_at - 1 :]
    for number, expected in enumerate(masks):
        found = run.masks(number)
        assert all(np.array_equal(found[name], mask) for name, mask in expected.items())


def test_a_changed_plan_keeps_what_it_does_not_change(
    whole: tuple[Path, list[Point], list[dict[str, np.ndarray]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another last density begins from the first; another training begins from the float network."""
    work, _, _ = whole
    trained = []
    monkeypatch.setattr(Runner, "train", lambda *args, **_: trained.append(args[1]) or args[3](torch.zeros(1, 3, 8, 8)))
    monkeypatch.setattr("penni_escalate.compress.unstructured.schedule.GradualPruning.ended", True)
    monkeypatch.setattr(UnstructuredPruning, "_save", lambda *_: None)
    pruning(work, replace(PLAN, densities=(0.5, 0.3))).run(lambda point: None)
    assert trained == ["density-2"]
    pruning(work, replace(PLAN, epochs=3)).run(lambda point: None)
    assert trained == ["density-2", "density-1", "density-2"]


@pytest.mark.parametrize("density", [0.0, 1.0, -0.1, 7.0])
def test_a_density_that_is_none(density: float) -> None:
    with pytest.raises(UserError, match=rf"^Density {density:g} is no share .* above 0 and below 1\.$"):
        plan_of("digits", (0.5, density))


def test_a_density_that_is_given_twice() -> None:
    with pytest.raises(UserError, match=r"^Density 0\.1 is given twice: give each density once\.$"):
        plan_of("digits", (0.1, 0.2, 0.1))


def test_plans_fall_and_may_be_replaced() -> None:
    assert plan_of("digits", (0.1, 0.3), 2).densities == (0.3, 0.1) and plan_of("digits", (), 2).epochs == 2
    assert plan_of("digits-residual") == plan_of("of nobody")
    for name in ("digits", "photo-10", "hed"):
        assert len(plan_of(name).densities) >= 3
