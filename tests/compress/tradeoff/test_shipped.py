"""The points in configs/tradeoff: of the present recipes and packages, and measured with the present models."""

import pytest

from penni_escalate.compress.measure import count
from penni_escalate.compress.recipe import manifest_fields
from penni_escalate.compress.tradeoff.measure import SHIPPED_IMAGES, predict
from penni_escalate.compress.tradeoff.points import FOLDER, known_names, points_file, read_points, recipe_of
from penni_escalate.compress.tradeoff.record import Point, read_record
from penni_escalate.compress.tradeoff.run import Tradeoff
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.package import read_package


def known(name: str) -> Tradeoff:
    path = points_file(name)
    record = read_record(FOLDER / f"{name}.json")
    assert record is not None, f"{name}: measure the points with --run"
    return Tradeoff(
        name,
        read_points(path),
        record,
        folder=FOLDER,
        shipped=FOLDER,
        work=FOLDER / "none",
        where=str(path),
        command=record.command,
    )


@pytest.mark.parametrize("name", known_names())
def test_every_point_is_of_its_recipe_or_package(name: str) -> None:
    found = known(name)
    assert found.missing == found.unpredicted == []
    record = found.record
    assert record is not None
    assert [point.name for point in record.points] == list(found.names)
    for point in record.points:
        package = read_package(found.package_folder(point.name))
        manifest = package.manifest
        assert point.score == manifest.scores["integer"] and point.float_score == manifest.scores["train"]
        if not point.from_package:
            assert point.changes == found.points.points[point.name]
            assert manifest.recipe == manifest_fields(recipe_of(found.points, point.name, "test"))
            assert len(package.images) == SHIPPED_IMAGES
        assert point.coded_bits == sum(layer.coded_bits for layer in point.layers)


def cheapest(point: Point) -> str:
    """The layer with the fewest cycles on full, of those whose operations are counted."""
    full = next(found for found in point.predictions if found.configuration == "full")
    counted = {layer.name for layer in point.layers}
    return min((layer for layer in full.layers if layer.name in counted), key=lambda layer: layer.cycles).name


@pytest.mark.parametrize("name", known_names())
def test_figures_are_those_of_the_present_models(name: str) -> None:
    """Of the last point: the layer of the fewest cycles, and its operations. --measure brings all up to date."""
    found = known(name)
    assert found.record is not None
    point = found.record.points[-1]
    package = read_package(found.package_folder(point.name))
    layer_name = cheapest(point)
    tensors = run_network(package, package.images[:SHIPPED_IMAGES])
    (layer,) = [layer for layer in package.layers if layer.name == layer_name]
    counts = count(layer, layer_input(layer, tensors))
    (listed,) = [entry for entry in point.layers if entry.name == layer_name]
    assert counts.multiplications == listed.multiplications
    assert counts.additions / SHIPPED_IMAGES == pytest.approx(listed.additions)
    (expected,) = [
        entry
        for prediction in point.predictions
        if prediction.configuration == "full"
        for entry in prediction.layers
        if entry.name == layer_name
    ]
    again = predict(package, load_accelerator("full"), found.points.images, only=layer_name)
    assert again.layers == (expected,)
