"""The manifest's JSON schema refuses what the reader refuses, as far as a schema can say it."""

import copy
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from penni_escalate.common.paths import PACKAGES, ROOT
from penni_escalate.golden.manifest import Manifest
from penni_escalate.golden.schema import manifest_schema
from tests.golden.random_layers import write_every_kind

VALIDATOR = Draft202012Validator(manifest_schema())
#: What the reader says where it refuses more than the schema, each kind of sentence with its line of docs/package.md.
UNSAYABLE = {
    "an integer that is written with a decimal point": r"^Input should be a valid integer$"
    r"|^Value error, it must be an integer in 0..63",
    "names of layers differ": r"field 'name' is used twice",
    "`kernels` is `channels`": r"field 'kernels' is \d+: an? \w+ has as many as channels",
    "`basis` is `channels`": r"field 'basis' is \d+: a first layer has one row a channel",
    "the padding is smaller than the kernel": r"field 'padding' is [\d,]+: it must be below the kernel's size",
    "the kernel fits the padded input": r"field 'kernel_height, kernel_width' is .*it must fit",
    "sources are `input` or an earlier layer": r"field 'sources' holds '\w+': it must be",
    "sources that are joined go together": r"field 'sources' joins ",
    "`channels`, `height` and `width` are those of the sources": r"fields 'channels, height, width' are ",
    "the skip tensor is an earlier tensor of the output's shape": r"field 'skip' is '\w+'(:| with channels)",
    "max_pool, average_inside, upsample and upsample_nearest keep the number format": r"field '(signed|scale)' is \S+: "
    r"the \w+'s source has"
    r"|fields 'low, high' are .*: the \w+ hands its source's codes on",
    "results are layers, each one once": r"field '(result|further_results\.\d+\.layer)' is '\w+': "
    r"it (must be a layer|is a result already)",
    "a result is a classifier where its measure is `accuracy`, and else of another kind": r"a result whose field "
    r"'measure' is '\w+' must be",
    "a classifier is a result, and no layer reads it": r"only a result may be one|it is a classifier, whose logits",
    "a map has one channel in version 2": r"field 'kernels' is \d+: where field 'measure' is 'correlation'",
}
#: Values that are put in a field's place: of every type, and at both sides of the bounds.
VALUES = (None, True, False, -129, -128, -1, 0, 1, 1.0, 0.5, -0.5, 2, 3, 63, 64, 65, 127, 128, 255, 256, 4095, 4096)
VALUES += (65536, 65537, 2**63, -(2**63) - 1, "", "x", "input", "first", "a b", "a" * 65, "x.npz", "../x.npz", "0" * 64)
VALUES += (
    "A" * 64,
    "conv1\n",
    [],
    ["input"],
    ["input", "input"],
    ["a b"],
    [0, 1, 1, 0],
    [0, 0, 64, 0],
    {},
    {"integer": 2},
    {"a b": 0.5, "integer": 0},
)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Of networks with one result, a classifier or a map, and of one with several."""
    folder = tmp_path_factory.mktemp("documents")
    networks = [write_every_kind(folder / measure, 1, measure).folder for measure in ("accuracy", "correlation")]
    found = [json.loads((place / "manifest.json").read_text()) for place in networks]
    layers = [layer["name"] for layer in found[0]["layers"]]
    further = [{"layer": name, "measure": "correlation", "scores": {"integer": -0.5}} for name in layers[:2]]
    return [*found, {**copy.deepcopy(found[0]), "result": layers[-1], "further_results": further}]


def places(part: Any) -> Iterator[tuple[Any, Any]]:
    """Every object or list of a document with each of its keys or indices."""
    for key in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
        yield part, key
        yield from places(part[key])


def mutated(rng: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """A copy with one field replaced, removed, added, or taken from another layer."""
    changed = copy.deepcopy(document)
    part, key = rng.choice(list(places(changed)))
    choice = rng.random()
    if choice < 0.15:
        del part[key]
    elif choice < 0.2 and isinstance(part, dict):
        part[rng.choice(["colour", "Name", "layers"])] = 1
    elif choice < 0.4:
        first, second = rng.sample(changed["layers"], 2)
        name = rng.choice(sorted(first))
        first[name] = copy.deepcopy(second[name])
    elif choice < 0.5 and isinstance(part[key], int):
        part[key] += rng.choice([-1, 1])
    else:
        part[key] = copy.deepcopy(rng.choice(VALUES))
    return changed


def refusal(document: dict[str, Any]) -> str | None:
    """What the reader says of a manifest; None where it takes it."""
    try:
        Manifest.model_validate_json(json.dumps(document))
    except ValidationError as error:
        return "; ".join(problem["msg"] for problem in error.errors())
    return None


def unsayable(sentence: str) -> str | None:
    return next((what for what, rule in UNSAYABLE.items() if re.search(rule, sentence)), None)


def test_the_schema_is_as_strict_as_the_reader(documents: list[dict[str, Any]]) -> None:
    rng = random.Random(1)
    outcomes: Counter[str] = Counter()
    for _ in range(600):
        document = mutated(rng, rng.choice(documents))
        fits, said = VALIDATOR.is_valid(document), refusal(document)
        if said is None:
            assert fits, list(VALIDATOR.iter_errors(document))
            outcomes["both take it"] += 1
        elif fits:
            assert unsayable(said) is not None, said
            outcomes["the reader alone refuses"] += 1
        else:
            outcomes["both refuse"] += 1
    assert min(outcomes.values()) > 30, outcomes
    assert outcomes["both refuse"] > 2 * outcomes["the reader alone refuses"], outcomes


@pytest.mark.parametrize("folder", sorted(path for path in PACKAGES.iterdir() if path.is_dir()), ids=lambda p: p.name)
def test_what_ships_fits(folder: Path) -> None:
    VALIDATOR.validate(json.loads((folder / "manifest.json").read_text()))


def test_the_page_lists_what_a_schema_cannot_say() -> None:
    text = (ROOT / "docs" / "package.md").read_text()
    listed = text.partition("\n## What the schema cannot say\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\* (.*)\.$", listed, re.MULTILINE) == list(UNSAYABLE)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(schema_version=1),
        lambda d: d.update(schema_version=2),
        lambda d: d["scores"].pop("integer"),
        lambda d: d["scores"].update(integer=-0.5),
        lambda d: d["layers"][0].update(name="input"),
        lambda d: d["layers"][0].update(file=None),
        lambda d: d["layers"][0].pop("sha256"),
        lambda d: d["layers"][0].update(sha256="A" * 64),
        lambda d: d["layers"][0].update(file="a" * 125 + ".npz"),
        lambda d: d["layers"][0].update(factor=2),
        lambda d: d["layers"][0].update(high=256),
        lambda d: d["layers"][0].update(low=-1),
        lambda d: d["layers"][1].update(basis=0),
        lambda d: d["layers"][1].update(low=1),
        lambda d: d["layers"][1].update(high=128),
        lambda d: d["layers"][3].update(file="x.npz"),
        lambda d: d["layers"][3].update(skip="input"),
        lambda d: d["layers"][4].update(kernel_width=2),
        lambda d: d["layers"][7].update(factor=3),
        lambda d: d["layers"][3].update(padding=[1, 1, 1]),
        lambda d: d["layers"][3].update(padding=[1, 1, 1, 64]),
        lambda d: d["layers"][4].update(padding=[0, 0, 0, 0]),
        lambda d: d["layers"].append(d["layers"][-1]),
        lambda d: d["layers"].pop(),
        lambda d: d.update(measure="correlation"),
        lambda d: d["layers"][0].update(sources=["a b"]),
        lambda d: d["scores"].update({"a b": 0.5}),
    ],
)
def test_both_refuse(documents: list[dict[str, Any]], change: Callable[[dict[str, Any]], None]) -> None:
    document = copy.deepcopy(documents[0])
    VALIDATOR.validate(document)
    assert refusal(document) is None
    _check_both_refuse(document, change)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(schema_version=2),
        lambda d: d.update(further_results=[]),
        lambda d: d["further_results"][0].pop("layer"),
        lambda d: d["further_results"][0].pop("measure"),
        lambda d: d["further_results"][0].update(measure="loss"),
        lambda d: d["further_results"][0].update(layer="a b"),
        lambda d: d["further_results"][0].update(kind="first"),
        lambda d: d["further_results"][0]["scores"].pop("integer"),
        lambda d: d["further_results"][0]["scores"].update(integer=-1.5),
        lambda d: d["further_results"][0].update(measure="accuracy"),
        lambda d: d.update(result="a b"),
        lambda d: d["layers"].pop(),
    ],
)
def test_both_refuse_of_several_results(
    documents: list[dict[str, Any]], change: Callable[[dict[str, Any]], None]
) -> None:
    document = copy.deepcopy(documents[2])
    VALIDATOR.validate(document)
    assert refusal(document) is None
    _check_both_refuse(document, change)


@pytest.mark.parametrize(
    "fields",
    [
        {"result": "classifier"},
        {"further_results": [{"layer": "conv1", "measure": "correlation", "scores": {"integer": 0.5}}]},
    ],
)
def test_several_results_are_none_of_version_2(fields: dict[str, Any]) -> None:
    document = {**json.loads((PACKAGES / "digits" / "manifest.json").read_text()), **fields, "schema_version": 3}
    VALIDATOR.validate(document)
    assert refusal(document) is None
    document["schema_version"] = 2
    assert not VALIDATOR.is_valid(document)
    assert refusal(document) is not None


def _check_both_refuse(document: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    change(document)
    assert not VALIDATOR.is_valid(document)
    assert refusal(document) is not None
