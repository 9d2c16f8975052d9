"""The points of a trade-off: a recipe that ships, and what each point changes in it."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT, relative
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.compress.recipe import Recipe, as_fields, load_recipe, parse_recipe, recipe_file, recipe_names

#: Points that ship.
FOLDER = ROOT / "configs" / "tradeoff"
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Points:
    """The file of a trade-off."""

    #: The recipe from which every point starts.
    recipe: str
    #: Changes of the recipe, by the name of the point: fields with dots, and their values.
    points: dict[_Name, dict[str, Any]]
    #: Packages that are points as they are.
    packages: list[str] = field(default_factory=list)
    #: Configurations on which cycles are predicted.
    configurations: list[str] = field(default_factory=lambda: ["small", "full"])
    #: Held-out images on which they are; the first ones.
    images: Annotated[int, Field(ge=1, le=64, strict=True)] = 4


_ADAPTER = TypeAdapter(Points)


def known_names() -> list[str]:
    """Networks with points that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def points_file(name: str) -> Path:
    """The file of points of a network that has some.

    Raises UserError for another network.
    """
    if name not in known_names():
        raise UserError(
            f"Network '{name}' has no points of a trade-off: use one of {', '.join(known_names())}, or name a file "
            "of your own with --points."
        )
    return FOLDER / f"{name}.yaml"


def read_points(path: Path) -> Points:
    """Read a file of points.

    Raises UserError naming file and field, and where the recipe is not known.
    """
    where = f"Points {relative(path)}"
    try:
        points = _ADAPTER.validate_python(read_fields(path, where))
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    if points.recipe not in recipe_names():
        raise UserError(
            f"{where}: field 'recipe' is '{points.recipe}', which is not known: use one of {', '.join(recipe_names())}."
        )
    for name in points.points:
        if name in points.packages:
            raise UserError(f"{where}: '{name}' is a package and a point: give the point another name.")
        recipe_of(points, name, where)
    return points


def recipe_of(points: Points, name: str, where: str) -> Recipe:
    """The recipe of a point.

    Raises UserError, which begins with ``where``, for a field that the recipe does not have or a value that it refuses.
    """
    fields = as_fields(load_recipe(recipe_file(points.recipe)))
    for path, value in points.points[name].items():
        _set(fields, path, value, f"{where}: point '{name}' changes '{path}', which recipe '{points.recipe}'")
    return parse_recipe(fields, f"{where}: point '{name}'")


def _set(fields: dict[str, Any], path: str, value: Any, begin: str) -> None:
    *parts, last = path.split(".")
    place: Any = fields
    for part in parts:
        place = place.get(part) if isinstance(place, Mapping) else None
    if not isinstance(place, dict) or last not in place:
        known = ", ".join(place if isinstance(place, dict) else fields)
        raise UserError(f"{begin} does not have: use one of {known}.")
    place[last] = value
