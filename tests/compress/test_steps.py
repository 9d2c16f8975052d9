"""compress/steps: what a step reads of its recipe is declared, and only that makes its file stale."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penni_escalate.common.paths import ROOT
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.recipe import (
    Recipe,
    as_fields,
    load_recipe,
    manifest_fields,
    parse_recipe,
    recipe_file,
    recipe_names,
    recorded_fields,
)
from penni_escalate.compress.steps import FIRST_READ, STEPS, TEXTS, WITHOUT_EFFECT, digest
from tests.compress.small_networks import Residual, own, recipe, recipe_fields

#: Those of a recipe that are read before the first step, to make the network and load the data.
BEGINNING = {"network", "checkpoint", "data", "seed"}


class Reads:
    """A recipe, or a part of one, that notes the name of every plain value that is asked of it."""

    def __init__(self, part: Any, notes: set[str], prefix: str = "") -> None:
        self.__part, self.__notes, self.__prefix = part, notes, prefix

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__part, name)
        if dataclasses.is_dataclass(value):
            return Reads(value, self.__notes, f"{self.__prefix}{name}.")
        self.__notes.add(self.__prefix + name)
        return value


def within(field: str, names: Any) -> bool:
    """Whether a field is one of these, or a part of one."""
    return any(field == name or field.startswith(f"{name}.") for name in names)


def declared(last: str) -> list[str]:
    return [name for step in STEPS[: STEPS.index(last) + 1] for name in FIRST_READ[step]]


@pytest.mark.parametrize("change", [{}, {"pruning": {"deviations": [0.5], "epochs": 1}}], ids=["shares", "deviations"])
def test_a_step_reads_what_is_declared(change: dict[str, Any], tmp_path: Path) -> None:
    """No step reads a field that it does not declare; none declares one that it is not the first to read."""
    work = Compression(recipe(own(Residual), **change), tmp_path, progress=False, report=lambda step: None)
    whole, before = work.recipe, set(BEGINNING)
    for step in STEPS[:-1]:
        notes: set[str] = set()
        work.recipe = work.runner._recipe = Reads(whole, notes)  # type: ignore[assignment]
        getattr(work, step)()
        work._finish(step, work._scores(step), 0.0, [])
        if step == "train":
            work.runner.learn_from(work.network)
        read = {name for name in notes if not within(name, WITHOUT_EFFECT)}
        assert {name for name in read if not within(name, declared(step))} == set(), step
        first = {name for name in FIRST_READ[step] if any(within(field, [name]) for field in read - before)}
        assert first == set(FIRST_READ[step]) - BEGINNING, step
        before |= read


def leaves(part: Any, prefix: str = "") -> Iterator[str]:
    """Names of all plain values of a recipe."""
    for field in dataclasses.fields(part):
        if not field.init:
            continue
        value = getattr(part, field.name)
        nested = dataclasses.is_dataclass(value)
        yield from leaves(value, f"{prefix}{field.name}.") if nested else [prefix + field.name]


def test_every_field_belongs_to_one_step() -> None:
    assert list(FIRST_READ) == list(TEXTS)
    names = [*declared(STEPS[-1]), *WITHOUT_EFFECT]
    for field in leaves(recipe()):
        assert sum(within(field, [name]) for name in names) == 1, field
    assert all(any(within(field, [name]) for field in leaves(recipe())) for name in names)


def changed(fields: dict[str, Any], name: str, change: Callable[[Any], Any]) -> Recipe:
    """The recipe with another value of a field."""
    head, _, rest = name.partition(".")
    if not rest:
        return parse_recipe({**fields, head: change(fields[head])}, "test")
    return parse_recipe({**fields, head: {**fields[head], rest: change(fields[head][rest])}}, "test")


@pytest.mark.parametrize(
    ("field", "change", "step"),
    [
        ("seed", lambda value: value + 1, "train"),
        ("batch", lambda value: value + 1, "train"),
        ("augmentation.flip", lambda value: not value, "train"),
        ("optimizer", lambda value: "sgd", "train"),
        ("data.options", lambda value: {**value, "classes": 3}, "train"),
        ("float_training.epochs", lambda value: value + 1, "train"),
        ("decomposition.energy", lambda value: 0.9, "decompose"),
        ("schedule", lambda value: {"configuration": "tiny", "balance": 1.0}, "decompose"),
        ("distillation.weight", lambda value: 0.25, "retrain"),
        ("quantization.classifier", lambda value: "int8", "retrain"),
        ("pruning.row_density", lambda value: 0.5, "prune"),
        ("shrink", lambda value: not value, "shrink"),
        ("quantization.scale", lambda value: "basis", "quantize"),
        ("quantization.training", lambda value: {**value, "epochs": 9}, "quantize"),
        ("quantization.feedback", lambda value: {"images": 5}, "quantize"),
        ("calibration.percentile", lambda value: 99.0, "fold"),
        ("integer_training.learning_rate", lambda value: 0.5, "fold"),
        ("package_images", lambda value: value + 1, "export"),
        ("hardware.threads", lambda value: 7, None),
        ("configuration", lambda value: "tiny", None),
    ],
)
def test_a_field_makes_no_earlier_step_stale(field: str, change: Callable[[Any], Any], step: str | None) -> None:
    one, other = recipe(), changed(as_fields(recipe()), field, change)
    assert one != other
    stale = [name for name in STEPS if digest(one, name) != digest(other, name)]
    assert stale == ([] if step is None else list(STEPS[STEPS.index(step) :]))


def test_steps_of_one_recipe_are_told_apart() -> None:
    phase = {"epochs": 1, "learning_rate": 0.001}
    same = parse_recipe(recipe_fields("digits", phase), "test")
    assert len({digest(same, step) for step in STEPS}) == len(STEPS)
    assert digest(same, "train") == digest(recipe(), "train")


def plain_values(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values of nested mappings by their names with dots."""
    values: dict[str, Any] = {}
    for name, value in fields.items():
        values |= plain_values(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return values


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_manifests_contain_the_recipes_that_ship(name: str) -> None:
    """By the field names of the package format; older packages lack fields that came later."""
    shipped = json.loads((ROOT / "packages" / name / "manifest.json").read_text())["recipe"]
    written = manifest_fields(load_recipe(recipe_file(name)))
    assert plain_values(shipped).items() <= plain_values(written).items()
    assert "turns" in written["retraining"] and "alternations" not in written["retraining"]
    if name == "digits":
        assert json.dumps(written) == json.dumps(shipped)
    if name == "hed":
        assert written["quantization"]["feedback"]["price"] == 12.0


def test_only_the_names_of_a_manifest_differ() -> None:
    values = plain_values(recorded_fields(load_recipe(recipe_file("hed"))))
    assert list(plain_values(manifest_fields(load_recipe(recipe_file("hed")))).values()) == list(values.values())


def test_a_field_that_came_later_is_recorded_where_it_says_something() -> None:
    """What was made before there was the field keeps its manifest and its key; with another value both differ."""
    first, other = recipe(), recipe(optimizer="sgd")
    assert "optimizer" in as_fields(first) and "optimizer" not in manifest_fields(first)
    assert manifest_fields(other)["optimizer"] == "sgd"
    stated = parse_recipe({**as_fields(first), "optimizer": "adamw"}, "test")
    assert digest(stated, "export") == digest(first, "export") != digest(other, "export")


def test_a_field_of_a_part_that_came_later() -> None:
    values = as_fields(load_recipe(recipe_file("hed")))
    assert values["quantization"]["feedback"]["reference"] == "decomposed"
    assert "reference" not in recorded_fields(parse_recipe(values, "test"))["quantization"]["feedback"]
    values["quantization"]["feedback"]["reference"] = "float"
    other = parse_recipe(values, "test")
    assert recorded_fields(other)["quantization"]["feedback"]["reference"] == "float"
    assert manifest_fields(other)["quantization"]["feedback"]["reference"] == "float"
