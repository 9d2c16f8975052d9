"""compress/tradeoff/points: what a file of points changes in a recipe, and what it cannot."""

from pathlib import Path

import pytest
import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.compress.recipe import as_fields, load_recipe, recipe_file
from penni_escalate.compress.tradeoff.points import known_names, points_file, read_points, recipe_of


def written(folder: Path, **fields: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"recipe": "digits", "points": {"small": {"decomposition.basis": 2}}, **fields}))
    return path


def test_a_point_changes_its_fields_and_no_other(tmp_path: Path) -> None:
    points = read_points(written(tmp_path, points={"a": {"decomposition.basis": 2, "seed": 7, "checkpoint": "w.pt"}}))
    before, after = as_fields(load_recipe(recipe_file("digits"))), as_fields(recipe_of(points, "a", "here"))
    assert after["decomposition"].pop("basis") == 2 != before["decomposition"].pop("basis")
    assert (after.pop("seed"), before.pop("seed")) == (7, 1)
    # A field that the recipe's file leaves out is one that it has.
    assert (after.pop("checkpoint"), before.pop("checkpoint")) == ("w.pt", None)
    assert after == before


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"recipe": "nix"}, "field 'recipe' is 'nix', which is not known: use one of digits,"),
        ({"points": {"a": {"decomposition.bases": 3}}}, "point 'a' changes 'decomposition.bases', which recipe"),
        ({"points": {"a": {"decomposition.basis.m": 3}}}, "'decomposition.basis.m', which recipe 'digits' does not"),
        ({"points": {"a": {"basis": 3}}}, "'basis', which recipe 'digits' does not have: use one of network, data,"),
        ({"points": {"a": {"decomposition.basis": 10}}}, "point 'a': field 'decomposition.basis' is 10: Input should"),
        ({"points": {"a": {"pruning.sparsities": [0.9, 1.5]}}}, "point 'a': field 'pruning.sparsities.1' is 1.5: In"),
        ({"points": {"a": {"pruning.channels": -0.1}}}, "point 'a': field 'pruning.channels' is -0.1: Input should be"),
        ({"points": {"A point": {}}}, "field 'points.A point.[key]' is 'A point': String should match pattern"),
        ({"points": {"digits": {}}, "packages": ["digits"]}, "'digits' is a package and a point: give the point an"),
        ({"images": 0}, "field 'images' is 0: Input should be greater than or equal to 1"),
        ({"nothing": 1}, "field 'nothing' is not known"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_go(fields: dict[str, object], sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path, **fields)
    with pytest.raises(UserError) as found:
        read_points(path)
    assert str(found.value).startswith(f"Points {path}: ") and sentence in str(found.value)
    assert str(found.value).endswith(".") and "\n" not in str(found.value)


def test_a_network_without_points() -> None:
    with pytest.raises(
        UserError, match=r"^Network 'hed' has no points of a trade-off: use one of digits, photo-10, or"
    ):
        points_file("hed")


@pytest.mark.parametrize("name", known_names())
def test_points_that_ship_are_read(name: str) -> None:
    points = read_points(points_file(name))
    assert points.recipe in points.packages
    assert len(points.packages) + len(points.points) >= 4
