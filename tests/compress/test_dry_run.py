"""penni-escalate compress run --dry-run: what would be done, measured, with nothing written and nothing left behind."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from penni_escalate.common.errors import UserError
from penni_escalate.compress.dry_run import plan_run
from penni_escalate.compress.pipeline import compress_network
from penni_escalate.compress.recipe import Recipe, parse_recipe
from penni_escalate.compress.steps import STEPS
from tests.compress.small_networks import SHAPE, Plain, Squeeze, options, own, recipe_fields
from tests.compress.test_pipeline import invoke, refused

PHASE = {"epochs": 2, "learning_rate": 0.001}


def recipe(network: type[nn.Module] = Plain, **fields: Any) -> Recipe:
    return parse_recipe(recipe_fields(own(network), PHASE, **fields), "test")


def test_the_plan_of_a_run(tmp_path: Path) -> None:
    """Batches are those that a run trains, and each kind of them is measured."""
    plan = plan_run(recipe(), tmp_path / "work")
    assert [step.name for step in plan.steps] == list(STEPS) and not any(step.done for step in plan.steps)
    # 16 images in batches of 8: two epochs, two alternations, and two rounds of two.
    assert [step.batches for step in plan.steps] == [4, 0, 4, 8, 0, 4, 4, 0]
    assert all((step.each > 0) == (step.batches > 0) for step in plan.steps)
    for step in plan.steps:
        assert step.seconds is not None and step.seconds >= step.batches * step.each
    assert plan.total == pytest.approx(plan.seconds + sum(step.seconds or 0 for step in plan.steps))
    assert (plan.training, plan.held_out, plan.shape, plan.unknown) == (16, 4, SHAPE, ())
    assert plan.memory > 100 * 2**20
    assert list(tmp_path.iterdir()) == []


def test_a_plan_draws_nothing_from_a_run(tmp_path: Path) -> None:
    """The same package with a plan before it; steps that are done are said to be."""
    first = compress_network(recipe(), tmp_path / "one", work=tmp_path / "work")
    plan = plan_run(recipe(), tmp_path / "work")
    assert all(step.done for step in plan.steps[:-1]) and not plan.steps[-1].done
    assert plan.total < plan.seconds + 60 and plan_run(recipe(seed=4), tmp_path / "work").steps[0].done is False
    second = compress_network(recipe(), tmp_path / "two", work=tmp_path / "other")
    assert first is not None and second is not None and first.integer_score == second.integer_score
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    quantization = {"scale": "channel", "classifier": "int8", "training": PHASE, "feedback": {"images": 2}}
    data = {"source": "synthetic", "options": options(SHAPE, classes=0)}
    none = {"epochs": 0, "learning_rate": 0.001}
    plan = plan_run(recipe(Squeeze, data=data, quantization=quantization, float_training=none, pruning={}), tmp_path)
    assert plan.unknown[0].startswith("The feedback of step 'quantize' is not measured")
    assert [step.batches for step in plan.steps] == [0, 0, 4, 0, 0, 4, 4, 0]


def test_a_network_and_data_of_a_program(tmp_path: Path) -> None:
    """They are as they were."""
    network = Plain()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert plan_run(recipe(), tmp_path, network=network).steps[0].batches == 4
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_a_run_refuses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not known: use one of"):
        plan_run(recipe(configuration="huge"), tmp_path)


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    fields = recipe_fields(own(Plain), PHASE)
    assert invoke(monkeypatch, tmp_path, "run", "--dry-run", recipe=fields) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "16 images to train with, 4 held out, of 3 x 8 x 8; batches of 8." in printed
    assert "GiB of memory, measured." in printed and "nothing has been written." in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml"]
    assert invoke(monkeypatch, tmp_path, "run", "--dry-run", recipe={**fields, "network": "lenet"}) == 2
    refused(capsys, tmp_path, "Network 'lenet' is not known")
