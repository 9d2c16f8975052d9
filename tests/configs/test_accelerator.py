"""Configurations: presets load, every rule refuses with field, value and rule."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import as_fields, load_accelerator, parse_accelerator, preset_names
from penni_escalate.rtl.generator import configuration_hash

SMALL = as_fields(load_accelerator("small"))


def test_presets_are_listed_smallest_first() -> None:
    assert preset_names() == ["tiny", "small", "full"]


def test_multipliers_are_those_of_all_clusters() -> None:
    full = load_accelerator("full")
    assert full.multipliers == full.clusters * full.blocks * full.rows * full.taps == 1536


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("blocks", 0, "greater than or equal to 2"),
        ("blocks", "16", "valid integer"),
        ("lanes", 3, "power of two"),
        ("blocks", 24, "multiple of group (16)"),
        ("out_lanes", 6, "multiple of out_lanes (6)"),
        ("adders", 16, "multiple of adders (16)"),
        ("lookaside", 2, "below adders (2)"),
        ("width_max", 4, "it must be below width_max (4)"),
        ("kernel_max", 99, "less than or equal to 11"),
        ("name", "Big One", "match pattern"),
    ],
)
def test_a_bad_field_is_refused_with_field_value_and_rule(field: str, value: object, rule: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_accelerator({**SMALL, "taps": 4, field: value}, "Configuration bad.yaml")
    message = str(caught.value)
    assert message.startswith("Configuration bad.yaml: field '")
    assert rule in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("taps", 3, "field 'taps' is 3: it must be at least 4 where winograd is 1"),
        ("kernel_max", 3, "field 'kernel_max' is 3: it must be at least 4 where winograd is 1"),
        ("winograd", 2, "less than or equal to 1"),
    ],
)
def test_what_pairs_take_is_required(field: str, value: int, rule: str) -> None:
    pairs = {**SMALL, "taps": 4, "winograd": 1}
    parse_accelerator(pairs, "x")
    with pytest.raises(UserError) as caught:
        parse_accelerator({**pairs, field: value}, "Configuration bad.yaml")
    assert rule in str(caught.value)
    assert str(caught.value).startswith("Configuration bad.yaml: field '")


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(UserError, match="field 'block' is not known"):
        parse_accelerator({**SMALL, "block": 4}, "x")


def test_a_missing_field_has_the_default_of_preset_small() -> None:
    assert parse_accelerator({"name": "small"}, "x") == load_accelerator("small")
    with pytest.raises(UserError, match="field 'name' is missing"):
        parse_accelerator({key: value for key, value in SMALL.items() if key != "name"}, "x")


@pytest.mark.parametrize("name", preset_names())
def test_a_configuration_does_not_depend_on_whether_a_default_is_written(name: str, tmp_path: Path) -> None:
    whole = as_fields(load_accelerator(name))
    path = tmp_path / f"{name}.yaml"
    path.write_text(
        yaml.safe_dump({"name": name} | {key: value for key, value in whole.items() if value != SMALL[key]})
    )
    short = load_accelerator(str(path))
    assert short == load_accelerator(name)
    assert configuration_hash(short) == configuration_hash(load_accelerator(name))


def test_rules_hold_for_defaults_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("blocks: 24\n")
    with pytest.raises(UserError, match=r"mine\.yaml: field 'blocks' is 24: it must be a multiple of group \(16\)"):
        load_accelerator(str(path))


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="'huge' is not known: use one of full, small, tiny"):
        load_accelerator("huge")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "has no fields"),
        ("a: [", "is not YAML"),
        ("", "has no fields"),
        ("a: 2020-13-45", "is not YAML"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_accelerator(str(path))


def test_a_file_of_ones_own_takes_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in SMALL.items() if key != "name"))
    assert load_accelerator(str(path)) == replace(load_accelerator("small"), name="mine")
