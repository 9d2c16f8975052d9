"""Packages with several results: what the manifest says of them, what the images' file holds, and each one's score."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.golden.functional import mean_channel_scores, run_network, score, scores
from penni_escalate.golden.manifest import Measure
from penni_escalate.golden.package import Package, read_package, write_package
from tests.golden.random_layers import write_several


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write_several(tmp_path_factory.mktemp("several") / "several")


def test_the_manifest_lists_them(package: Package) -> None:
    document = json.loads((package.folder / "manifest.json").read_text())
    assert document["schema_version"] == 3 and document["result"] == "gender" and document["measure"] == "accuracy"
    further = [(entry["layer"], entry["measure"]) for entry in document["further_results"]]
    assert further == [("edges", "correlation"), ("age", "accuracy"), ("trunk", "correlation")]
    assert [result.layer for result in package.results] == ["gender", "edges", "age", "trunk"]
    assert package.result.measure is Measure.ACCURACY and package.labels is package.results[0].answers
    assert package.result_of("trunk").scores == document["further_results"][2]["scores"]


def test_each_is_scored_as_one_would_by_hand(package: Package) -> None:
    """Nested loops over images, channels and pixels."""
    found, tensors = scores(package), run_network(package, package.images)
    assert list(found) == ["gender", "edges", "age", "trunk"] and score(package) == found["gender"]
    assert found == {result.layer: pytest.approx(result.scores["integer"]) for result in package.results}
    scales = {entry.name: entry.scale for entry in package.manifest.layers}
    for result in package.results:
        each = []
        for image in range(len(package.images)):
            given = tensors[result.layer][image].astype(float)
            if result.measure is Measure.ACCURACY:
                each.append(float(max(range(len(given)), key=lambda k: given[k]) == result.answers[image]))
                continue
            sigmoid = 1 / (1 + np.exp(-scales[result.layer] * given))
            channels = range(given.shape[-1])
            pairs = [(sigmoid[..., k].ravel(), result.answers[image, ..., k].ravel() / 255) for k in channels]
            each.append(float(np.mean([np.corrcoef(*pair)[0, 1] if np.ptp(pair[0]) else 0.0 for pair in pairs])))
        assert found[result.layer] == pytest.approx(np.mean(each), abs=1e-12), result.layer
    assert mean_channel_scores(package, "edges").mean() == pytest.approx(found["edges"], abs=1e-12)
    assert len(set(found.values())) > 2


def test_results_of_replaced_tensors_of_some_images(package: Package) -> None:
    tensors = run_network(package, package.images[[1, 3]])
    replaced = {"age": np.eye(5, dtype=np.int32)[package.result_of("age").answers[[1, 3]]]}
    found = scores(package, [1, 3], replaced)
    assert found["age"] == 1.0 and found["gender"] == scores(package, [1, 3])["gender"]
    assert found["trunk"] == scores(package, [1, 3], {"trunk": tensors["trunk"]}, batch=1)["trunk"]


def rewritten(package: Package, folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> Package:
    """The package once more, after a change of the manifest and of the images' arrays."""
    document: dict[str, Any] = json.loads((package.folder / "manifest.json").read_text())
    files: dict[str, dict[str, np.ndarray]] = {}
    for entry in [*document["layers"], document["images"]]:
        with np.load(package.folder / entry["file"]) as arrays:
            files[entry["file"]] = dict(arrays)
    change(document, files["images.npz"])
    return write_package(folder / "changed", document, files)


def test_written_again_the_bytes_are_the_same(package: Package, tmp_path: Path) -> None:
    again = rewritten(package, tmp_path, lambda document, images: None)
    for file in package.folder.iterdir():
        assert (again.folder / file.name).read_bytes() == file.read_bytes(), file.name


_LAYER = "layer 'age': field 'kind' is 'classifier': "


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d, i: d["further_results"].pop(1), f"{_LAYER}only a result may be one, and the results are "),
        (lambda d, i: d["layers"][3].update(sources=["age"]), "field 'sources' holds 'age': it is a classifier, whose"),
        (lambda d, i: d["layers"][3].update(skip="age"), "field 'skip' holds 'age': it is a classifier, whose"),
        (lambda d, i: d.update(result="none"), "field 'result' is 'none': it must be a layer"),
        (lambda d, i: d["further_results"][0].update(layer="none"), "field 'further_results.0.layer' is 'none': it"),
        (lambda d, i: d["further_results"][0].update(layer="gender"), "is 'gender': it is a result already"),
        (lambda d, i: d["further_results"][2].update(measure="accuracy"), "layer 'trunk': field 'kind' is 'first': a"),
        (lambda d, i: d["further_results"][1].update(measure="correlation"), f"{_LAYER}a result whose field 'measure'"),
        (lambda d, i: d["further_results"][1]["scores"].clear(), "result 'age': field 'scores.integer' is missing"),
        (lambda d, i: d["further_results"][1]["scores"].update(integer=-0.1), "'scores.integer' is -0.1: an accuracy"),
        (lambda d, i: d.update(further_results=[]), "field 'further_results' is []: "),
        (lambda d, i: d.update(schema_version=2), "field 'result' is given: field 'schema_version' must be 3 then"),
        (lambda d, i: i.pop("labels_age"), "array 'labels_age' is missing: the file must hold it as int64 (5,)"),
        (lambda d, i: i.update(labels_age=i["labels_age"] + 5), "array 'labels_age' holds "),
        (lambda d, i: i.pop("maps_trunk"), "array 'maps_trunk' is missing: the file must hold it as uint8 (5, 6, 5,"),
        (lambda d, i: i.update(maps=i["maps_edges"]), "array 'maps' is not known: remove it"),
    ],
)  # fmt: skip
def test_what_is_refused(
    package: Package, change: Callable[[dict[str, Any], dict[str, Any]], Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as found:
        rewritten(package, tmp_path, change)
    assert sentence in str(found.value) and "\n" not in str(found.value)
    assert not (tmp_path / "changed").exists()


def test_one_result_may_be_another_than_the_last_layer(package: Package, tmp_path: Path) -> None:
    def alone(document: dict[str, Any], images: dict[str, Any]) -> None:
        document["layers"] = [entry for entry in document["layers"] if entry["name"] in ("trunk", "edges")]
        document |= {"result": "trunk", "measure": "correlation", "scores": {"integer": 0.0}}
        del document["further_results"]
        maps = images["maps_trunk"]
        for name in ("labels", "labels_age", "maps_edges", "maps_trunk"):
            del images[name]
        images["maps"] = maps

    document: dict[str, Any] = json.loads((package.folder / "manifest.json").read_text())
    files: dict[str, dict[str, np.ndarray]] = {}
    for name in ("trunk.npz", "edges.npz", "images.npz"):
        with np.load(package.folder / name) as arrays:
            files[name] = dict(arrays)
    alone(document, files["images.npz"])
    found = write_package(tmp_path / "alone", copy.deepcopy(document), files)
    assert score(found) == pytest.approx(scores(package)["trunk"], abs=1e-12)
    assert read_package(found.folder).result.layer == "trunk"
