"""Networks that give several results: reading, comparing, training by each one's answers, and whole runs."""

from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.common.errors import UserError
from penni_escalate.compress.check import print_layers
from penni_escalate.compress.data import Data, make_data
from penni_escalate.compress.equivalence import check_equivalence
from penni_escalate.compress.export import check_agreement, export_package, unmeasured
from penni_escalate.compress.frontend import export, read_network, read_program
from penni_escalate.compress.graph import Ending, Graph, Result, Role
from penni_escalate.compress.network import features
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.recipe import Phase, parse_recipe
from penni_escalate.compress.report import Report
from penni_escalate.compress.shrink import shrink
from penni_escalate.compress.summary import read_entry
from penni_escalate.compress.targets import Target, targets_of
from penni_escalate.compress.training import Runner, Training, distillation_loss, feature_loss
from penni_escalate.golden.functional import scores
from penni_escalate.golden.package import read_package
from tests.compress.frontend.networks import Mine
from tests.compress.small_networks import (
    CLASSES,
    SHAPE,
    Several,
    data_of,
    entries,
    images,
    integers,
    own,
    pruned,
    recipe,
    recipe_fields,
    taken,
)

Given = Callable[[Any, Tensor], Any]
Pair = namedtuple("Pair", ["one", "other"])


def graph_of(given: Given, **modules: nn.Module) -> Graph:
    """Layers of a function of the network and its first layer's map."""
    return read_network(Mine(lambda n, x: given(n, n.c1(x)), **modules), "mine", SHAPE)[1]


def read(network: nn.Module) -> tuple[Any, Graph]:
    program = export(network, "mine", SHAPE)
    return program, read_program(program)[1]


# Reading


@pytest.mark.parametrize(
    "pack",
    [
        lambda one, other: (one, other),
        lambda one, other: [one, other],
        lambda one, other: {"b": one, "a": other},
        Pair,
        lambda one, other: (one, {"deep": [other]}),
    ],
)
def test_results_are_read_in_the_order_in_which_they_are_given(pack: Callable[..., Any]) -> None:
    graph = graph_of(lambda n, x: pack(torch.sigmoid(n.c2(x)), n.head(functional.relu(x))))
    assert graph.results == (Result("c2", Ending.SIGMOID), Result("fc"))
    assert graph.result.name == "c2" and [layer.name for layer in graph.classifiers] == ["fc"]


def test_a_result_that_others_read_keeps_what_they_make_of_it_apart() -> None:
    """Neither ReLU nor batch norm is taken on by the layer; a pooled map and its pool are both there."""
    graph = graph_of(lambda n, x: (n.bn(x), x, n.fc(functional.relu(x).mean((2, 3)))))
    assert [result.layer for result in graph.results] == ["bn", "c1", "fc"]
    assert graph.layer("c1").norm is None and graph.layer("c1").activation.value == "linear"
    maps = graph_of(lambda n, x: ((y := n.point(x)), y.mean((2, 3))), point=nn.Conv2d(8, 5, 1))
    assert maps.layer(maps.results[1].layer).role is Role.CLASSIFIER and maps.layer("point").out_shape == (5, 8, 8)
    pooled = graph_of(lambda n, x: ((p := x.mean((2, 3), keepdim=True)), n.fc(p.flatten(1))))
    assert pooled.layer("fc").in_shape == pooled.result.out_shape == (8, 1, 1)
    hidden = graph_of(
        lambda n, x: ((y := n.fc(x.mean((2, 3)))), n.last(functional.relu(y))), last=nn.Linear(CLASSES, 3)
    )
    assert hidden.layer("fc").role is Role.POINTWISE and [one.layer for one in hidden.results] == ["classifier", "last"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (lambda n, x: (x, x), r"gives the tensor of layer 'c1' twice, as its results \[0\] and \[1\]: give it once\."),
        (lambda n, x: {"a": x, "b": x.flatten(1)}, r"gives the tensor of layer 'c1' twice, as its results \['a'\] and"),
        (lambda n, x: ((y := n.head(x)), y.softmax(1)), r"gives the tensor of layer 'fc' twice"),
        (lambda n, x: (n.head(x), None), r"gives None as its result \[1\]: every result must be a"),
        (lambda n, x: (n.head(x), 3), r"gives a value of type int as its result \[1\]: every result must be a"),
        (lambda n, x: (n.head(x), x.size(0)), r"gives a value of type int as its result \[1\]: every"),
        (lambda n, x: Pair(n.head(x), n.fc.weight), r"gives a result \.other that does not depend on the image\."),
        (lambda n, x: [], r"gives no tensor: it must give one or several\."),
    ],
)  # fmt: skip
def test_what_can_be_no_result_is_refused(given: Given, sentence: str) -> None:
    with pytest.raises(UserError, match=f"^Network 'mine' {sentence}"):
        graph_of(given)


@pytest.mark.parametrize("given", [lambda n, x: x[:, :, 1:], lambda n, x: (n.head(x), x.flatten(2).transpose(1, 2))])
def test_numbers_that_no_layer_gives_are_no_result(given: Given) -> None:
    with pytest.raises(
        UserError, match=r"^Layer '\w+' of network 'mine' \(.*\) reads numbers in an arrangement that no"
    ):
        graph_of(given)


def test_the_input_is_no_result() -> None:
    with pytest.raises(UserError, match=r"^Network 'mine' gives its input back as its result \[1\]: it must have laye"):
        read_network(Mine(lambda n, x: (n.head(n.c1(x)), x)), "mine", SHAPE)


def test_the_read_network_gives_what_the_users_gives() -> None:
    module = Several().eval()
    network, graph = read_network(module, "several", SHAPE)
    assert [result.layer for result in graph.results] == ["fc", "early", "conv2", "side"]
    x = torch.randn(2, *SHAPE)
    with torch.no_grad():
        wanted, found = module(x), network.eval()(x)
        outputs = features(network, x)
    ended = [found[0], found[1].softmax(1), found[2], found[3].sigmoid()]
    for one, other in zip(ended, wanted.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(one, other) for one, other in zip(graph.results_of(outputs), found, strict=True))


def test_check_prints_each_result(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    print_layers(Console(width=200), taken(Several, 1)[1])
    said = capsys.readouterr().out
    for sentence in (
        "Layer 'fc' gives 4 logits",
        "Layer 'early' gives 3 logits",
        "Layer 'side' gives a map of 2 channels",
        "The main result, which the steps decide by, is the first: layer 'fc'.",
    ):
        assert sentence in said


# The comparison with the user's module


def test_the_comparison_takes_several_results_and_finds_one_that_is_wrong() -> None:
    program, graph = read(Several())
    check_equivalence(program, graph)
    first, second, *rest = graph.results
    two = (replace(first, ending=second.ending), replace(second, ending=first.ending))
    for results, layer in (
        ((second, first, *rest), "early"),
        ((*two, *rest), "fc"),
        ((first, second, rest[0], replace(rest[1], ending=Ending.NONE)), "side"),
    ):
        with pytest.raises(UserError, match=f"^Layer '{layer}' of network 'mine' does not give in the network what"):
            check_equivalence(program, replace(graph, results=results))
    with pytest.raises(UserError, match="gives 4 results, and 3 were read of it"):
        check_equivalence(program, replace(graph, results=graph.results[:3]))


# Channels and integers


def test_no_channel_of_a_result_goes() -> None:
    """Whatever nothing reads is sliced away, but for the results."""
    network, graph = taken(Several, 1)
    from penni_escalate.compress.decompose import decompose_network
    from penni_escalate.compress.prune import apply_mask

    decompose_network(network, graph, recipe().decomposition)
    for entry in entries(network, graph).values():
        mask = torch.ones(entry.table.shape)
        mask[:, 1] = 0
        apply_mask(entry, mask)
    smaller, _ = shrink(network, graph, ternary_classifier=True)
    for result in graph.results:
        assert smaller.layer(result.layer).out_shape == graph.layer(result.layer).out_shape
    assert smaller.layer("conv1").out_shape[0] == 7 and smaller.layer("conv3").out_shape[0] == 9


def test_integers_of_every_result_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, graph = pruned(Several, 1)
    folded = integers(network, graph, 1)
    data, arrays = data_of(graph, 1)
    package = export_package(tmp_path / "package", folded, data, arrays, recipe(), unmeasured(graph))
    check_agreement(folded, package)
    assert [result.layer for result in package.results] == [result.layer for result in graph.results]
    folded.parts["side"].module.bias.data += 10  # type: ignore[union-attr, operator]
    with pytest.raises(SystemExit):
        check_agreement(folded, package)
    assert "differ in layer 'side' on held-out image 0" in capsys.readouterr().err


# Data and loss


def labelled(columns: int, count: int = 24) -> Data:
    """Images whose first labels are of 4 classes, and the others of 3."""
    labels = np.stack([np.arange(count) % (CLASSES - (column > 0)) for column in range(columns)], 1)
    return make_data(images(1, count, signed=False), labels, layout="CHW", mean=0.5, deviation=0.25)


def compression(folder: Path, data: Data, phase: float = 0.001, **fields: Any) -> Compression:
    made = recipe_fields(own(Several), {"epochs": 1, "learning_rate": phase}, **fields)
    return Compression(parse_recipe(made, "test"), folder, data=data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (labelled(1), "ends in 'early' with 3 channels: data 'numpy' needs a row of logits at the end, as of a"),
        (labelled(3), "gives logits 2 times, and data 'numpy' has 3 labels an image: it must have one for all of them"),
        (make_data(images(1, 9)[:, :3].astype(np.float32), layout="CHW"), "Data 'numpy' has no labels to train"),
    ],
)  # fmt: skip
def test_labels_that_do_not_go_with_the_results(data: Data, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        compression(tmp_path, data)


def test_every_classifier_has_its_column_or_all_have_the_only_one() -> None:
    graph = taken(Several, 1)[1]
    places = {layer.name: place for place, layer in enumerate(graph.layers)}
    wanted = {2: (0, 1, None, None), 1: (0, 0, None, None), 0: (None, None, None, None)}
    for columns, numbers in wanted.items():
        named = zip(("fc", "early", "conv2", "side"), numbers, strict=True)
        assert targets_of(graph, columns) == tuple(Target(name, places[name], number) for name, number in named)


def test_the_loss_is_the_mean_of_each_results_own(tmp_path: Path) -> None:
    network, graph = taken(Several, 1)
    teacher, _ = taken(Several, 2)
    settings, data = recipe(augmentation={}), labelled(2)
    codes = torch.from_numpy(data.images[:6])
    labels = torch.from_numpy(data.labels[:6])
    targets = targets_of(graph, 2)

    def step(taught: bool, weight: float = 0.5, f: float = 0.1) -> float:
        distillation = replace(settings.distillation, weight=weight, features=f)
        module = Training(
            "step",
            network.eval(),
            lambda x: features(network, x * data.scale),
            targets,
            (lambda x: features(teacher.eval(), x * data.scale)) if taught else None,
            Phase(1, 0.01),
            replace(settings, distillation=distillation),
            data.scale,
            (),
            0.0,
        )
        module.log = lambda *_, **__: None  # type: ignore[method-assign, assignment]
        return module.training_step((codes, labels), 0).item()

    with torch.no_grad():
        found, wanted = (features(one.eval(), codes.float() * data.scale) for one in (network, teacher))
    given, right = graph.results_of(found), graph.results_of(wanted)
    own_losses = [functional.cross_entropy(given[place], labels[:, place]) for place in (0, 1)]
    taught = [distillation_loss(*pair, 2.0) for pair in zip(given, right, strict=True)]
    assert step(False) == pytest.approx(float(torch.stack(own_losses).mean()), rel=1e-6)
    inner = [place for place, layer in enumerate(graph.layers) if layer.name in ("conv1", "max_pool2d", "conv3")]
    assert len(inner) + len(targets) == len(graph.layers)
    beside = feature_loss([found[n] for n in inner], [wanted[n] for n in inner])
    each = [0.5 * own_losses[0] + 0.5 * taught[0], 0.5 * own_losses[1] + 0.5 * taught[1], *taught[2:]]
    assert step(True) == pytest.approx(float(sum(each) / 4 + 0.1 * beside), rel=1e-5)
    # Without a share for the teacher, maps have no other loss than its.
    alone = [*own_losses, *taught[2:]]
    assert step(True, weight=0.0, f=0.0) == pytest.approx(float(sum(alone) / 4), rel=1e-5)


def test_every_result_has_its_own_score(tmp_path: Path) -> None:
    network, graph = taken(Several, 1)
    data = labelled(2)
    runner = Runner(data, recipe(), graph, tmp_path, progress=False)
    runner.learn_from(network)
    other, _ = taken(Several, 2)
    found = runner.image_scores(other)
    assert found.shape == (4, len(data.held_out_images)) and runner.score(other) == found[0].mean()
    given = runner.results(other, torch.from_numpy(data.held_out_images))
    for place in (0, 1):
        assert found[place].tolist() == (given[place].argmax(1).numpy() == data.held_out_labels[:, place]).tolist()
    assert runner.image_scores(network)[3] == pytest.approx(1.0)
    held = runner.held_out(3)
    assert {name: array.shape for name, array in held.items()} == {
        "images": (3, 8, 8, 3),
        "labels": (3,),
        "labels_early": (3,),
        "maps_conv2": (3, 8, 8, 12),
        "maps_side": (3, 8, 8, 2),
    }


# A run


def test_a_run_compresses_and_measures_them_all(tmp_path: Path) -> None:
    """Two classifiers with labels of their own and two maps, through every step, and resumed; with its page."""
    data = labelled(2)
    work = compression(tmp_path / "work", data, 0.01)
    report = work.run(tmp_path / "package")
    assert isinstance(report, Report)
    package = read_package(tmp_path / "package")
    measured = scores(package)
    assert list(measured) == ["fc", "early", "conv2", "side"]
    assert measured == {one.layer: pytest.approx(one.scores["integer"]) for one in package.results}
    assert [one.integer_score for one in report.results] == [one.scores["integer"] for one in package.results]
    for result in package.results[1:]:
        steps = {step.name: step.further_scores[result.layer] for step in report.steps if step.name != "fold"}
        assert result.scores == {("integer" if name == "export" else name): value for name, value in steps.items()}
    assert package.result_of("side").scores["train"] == pytest.approx(1.0)
    np.testing.assert_array_equal(package.result_of("early").answers, data.held_out_labels[:4, 1])
    assert "of 'early'" in report.steps[0].sentence

    (tmp_path / "package" / "report.json").write_bytes(_json(report))
    entry = read_entry(tmp_path / "package")
    assert entry.wrong == () and [row.layer for row in entry.view.results] == list(measured)
    assert len(entry.view.scores) == 4 * len(report.steps)
    from penni_escalate.compress.pages import write_view

    page = write_view(tmp_path / "page", entry.view).read_text()
    assert "accuracy of &#39;early&#39;" in page or "accuracy of 'early'" in page
    assert (tmp_path / "page" / "scores.csv").read_text().count("\n") == 4 * len(report.steps) + 1

    again = compression(tmp_path / "work", data, 0.01)
    assert [step.further_scores for step in again.run(tmp_path / "again").steps] == [  # type: ignore[union-attr]
        step.further_scores for step in report.steps
    ]
    for file in ("manifest.json", "images.npz", "side.npz"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "package" / file).read_bytes()


def _json(report: Report) -> bytes:
    from penni_escalate.common.results import json_text

    return json_text(report.as_fields())
