"""compress/feedback: ternary coefficients that are chosen by the layer's output."""

import copy
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from penni_escalate.common.errors import UserError
from penni_escalate.compress import pipeline
from penni_escalate.compress.decompose import decompose_network, with_digits
from penni_escalate.compress.feedback import Moments, quantize_by_feedback
from penni_escalate.compress.layers import DecomposedConv2d, combine_kernels
from penni_escalate.compress.network import features
from penni_escalate.compress.pipeline import Compression, compress_network
from penni_escalate.compress.prune import Masked
from penni_escalate.compress.quantize import quantize_kernels
from penni_escalate.compress.quantizers import Alpha, basis_codes, ternary_codes
from penni_escalate.compress.recipe import (
    Classifier,
    Decomposition,
    Feedback,
    Phase,
    Quantization,
    Scale,
    parse_recipe,
)
from penni_escalate.compress.report import Report
from penni_escalate.compress.steps import STEPS
from penni_escalate.compress.ternary_kernels import Codebook, Problem, Solution, feed_back, fit, revise, solve
from penni_escalate.compress.ternary_kernels import start as started
from penni_escalate.golden.package import Package, read_package
from tests.compress import small_networks
from tests.compress.small_networks import (
    SHAPE,
    Plain,
    Residual,
    Squeeze,
    entries,
    images,
    options,
    own,
    pruned,
    recipe,
    recipe_fields,
    taken,
)

PLAIN = Quantization(Scale.CHANNEL, Classifier.TERNARY, Phase(0, 0.1))
network_types = pytest.mark.parametrize("network_type", small_networks.NETWORKS, ids=lambda network: network.__name__)


def settings(scale: Scale = Scale.CHANNEL, **fields: Any) -> Quantization:
    return replace(PLAIN, scale=scale, feedback=Feedback(images=64, **fields))


def problem(seed: int, weight: float = 0.0, alpha: Alpha = Alpha.CHANNEL, **fields: Any) -> Problem:
    """A layer of 12 outputs, 10 channels and 3x3 kernels, of which the inputs are correlated."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(400, 90, generator=generator) @ torch.randn(90, 90, generator=generator)
    inputs += 3 * torch.randn(400, 1, generator=generator)
    target = torch.randn(12, 10, 9, generator=generator)
    return Problem(target, inputs.T @ inputs / 400 + torch.eye(90), weight, alpha, **{"rows": 4, **fields})


def total(one: Problem, solution: Solution) -> float:
    """What the search minimises."""
    return one.error(solution) + one.rate_distortion_weight * int(solution.codes.count_nonzero())


# The search


def test_nearest_is_the_best_of_all_combinations() -> None:
    generator = torch.Generator().manual_seed(0)
    target, root = torch.randn(7, 5, generator=generator), torch.randn(5, 5, generator=generator).tril()
    alpha, basis = torch.rand(7, generator=generator) + 0.5, torch.randn(3, 5, generator=generator)
    allowed = torch.rand(7, 3, generator=generator) < 0.7
    for weight in (0.0, 0.8):
        found = Codebook(3).nearest(target, root, alpha, basis, weight, allowed)
        for kernel in range(7):
            costs = {}
            for word in product((-1.0, 0.0, 1.0), repeat=3):
                chosen = torch.tensor(word)
                if not chosen[~allowed[kernel]].any():
                    error = (target[kernel] - alpha[kernel] * chosen @ basis) @ root
                    costs[word] = float(error.square().sum() + weight * chosen.count_nonzero())
            best = min(costs, key=lambda word: costs[word])
            assert found[kernel].tolist() == list(best)


@pytest.mark.parametrize("alpha", Alpha)
@pytest.mark.parametrize("seed", range(4))
def test_feedback_has_less_error_than_each_kernel_for_itself(seed: int, alpha: Alpha) -> None:
    one = problem(seed, alpha=alpha)
    alone, fed, solution = solve(one, rounds=2)
    errors = [one.error(stage) for stage in (alone, fed, solution)]
    print([round(error, 2) for error in errors])
    assert errors[2] < errors[1] < errors[0] and errors[2] < 0.7 * errors[0]
    assert set(solution.codes.unique().tolist()) == {-1.0, 0.0, 1.0} and (solution.alpha > 0).all()
    assert {Alpha.CHANNEL: 12, Alpha.LAYER: 1, Alpha.NONE: 1}[alpha] == len(solution.alpha.unique())
    assert alpha is not Alpha.NONE or solution.alpha.unique().tolist() == [1.0]


def test_no_part_makes_it_worse() -> None:
    """Fits and revisions each lower the cost, until nothing changes."""
    one = problem(5, weight=2.0)
    book = Codebook(one.rows)
    solution = feed_back(one, started(one, book), book)
    before = total(one, solution)
    for turn in range(12):
        solution = fit(one, solution) if turn % 2 else revise(one, solution, book)
        assert total(one, solution) <= before * (1 + 1e-5)
        before = total(one, solution)


def test_without_correlation_each_kernel_for_itself_is_best() -> None:
    one = replace(problem(1), hessian=torch.eye(90))
    book = Codebook(one.rows)
    solution = started(one, book)
    for other in (feed_back(one, solution, book), revise(one, solution, book)):
        assert torch.equal(other.codes, solution.codes)


def test_kernels_that_the_basis_holds_are_found() -> None:
    """A layer that is ternary already comes back as it was, whatever its basis and scales."""
    one = problem(2)
    generator = torch.Generator().manual_seed(7)
    codes = torch.randint(-1, 2, (12, 10, 4), generator=generator).float()
    basis, alpha = torch.randn(4, 9, generator=generator), torch.rand(12, generator=generator) + 0.5
    known = Solution(codes, alpha, basis)
    one = replace(one, target=known.kernels)
    book = Codebook(4)
    again = feed_back(one, replace(known, codes=torch.zeros_like(codes)), book)
    assert torch.equal(again.codes, codes)
    refitted = fit(one, replace(known, basis=basis + 0.1 * torch.randn(4, 9, generator=generator)))
    torch.testing.assert_close(refitted.kernels, known.kernels, rtol=1e-3, atol=1e-3)


def test_rate_distortion_weight_makes_zeros() -> None:
    zeros = [float((solve(problem(3, weight), 2)[2].codes == 0).float().mean()) for weight in (0.0, 20.0, 100.0, 1e6)]
    print(zeros)
    assert zeros[0] < zeros[1] < zeros[2] < zeros[3] == 1.0


def test_pruned_coefficients_stay_zero() -> None:
    allowed = torch.rand(12, 10, 4, generator=torch.Generator().manual_seed(1)) < 0.4
    *_, solution = solve(problem(4, allowed=allowed), 2)
    assert not solution.codes[~allowed].any() and solution.codes[allowed].any()


def test_moments_are_those_of_all_samples() -> None:
    generator = torch.Generator().manual_seed(3)
    inputs, outputs = torch.randn(50, 6, generator=generator) + 2, torch.randn(50, 3, generator=generator) - 1
    moments = Moments(6, 3)
    for part in range(0, 50, 20):
        moments.add(inputs[part : part + 20], outputs[part : part + 20])
    both = torch.cat([inputs, outputs], 1).double()
    for centred in (True, False):
        found = moments.covariance(centred)
        moved = both - both.mean(0) if centred else both
        expected = moved.T @ moved / 50
        torch.testing.assert_close(found.inputs, expected[:6, :6], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.cross, expected[6:, :6], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.energy, expected[6:, 6:].diagonal(), rtol=1e-5, atol=1e-5)
        kernels = torch.randn(3, 2, 3, generator=generator)
        missed = moved[:, 6:] - moved[:, :6] @ kernels.flatten(1).double().T
        assert found.error(kernels) == pytest.approx(
            float(missed.square().sum() / moved[:, 6:].square().sum()), rel=1e-4
        )


# Networks


def output_error(network: nn.Module, wanted: Tensor, codes: Tensor) -> float:
    with torch.no_grad():
        return float((network.eval()(codes) - wanted).norm() / (wanted - wanted.mean(0)).norm())


@network_types
@pytest.mark.parametrize("scale", Scale)
def test_networks_come_nearer_to_what_they_were(network_type: type[nn.Module], scale: Scale) -> None:
    codes = torch.from_numpy(images(5, 64)).float() / 64
    network, graph = pruned(network_type, 3, keep=0.9)
    other, _ = pruned(network_type, 3, keep=0.9)
    with torch.no_grad():
        wanted = network(codes)
    masks = {name: entry.table != 0 for name, entry in entries(network, graph).items()}
    done = quantize_by_feedback(network, graph, settings(scale), codes)
    quantize_kernels(other, graph, replace(PLAIN, scale=scale))
    assert output_error(network, wanted, codes) < 0.7 * output_error(other, wanted, codes)
    assert [fed.name for fed in done] == list(masks)
    for fed in done:
        entry = entries(network, graph)[fed.name]
        found = ternary_codes(entry).codes.reshape(masks[fed.name].shape)
        assert fed.zeros == pytest.approx(float((found == 0).float().mean()), abs=1e-6)
        assert not found[~masks[fed.name]].any() and fed.error <= fed.alone


def test_a_network_that_was_not_pruned_is_taken_as_well() -> None:
    """The masks are then the feedback's, and the quantizers see exactly its codes."""
    network, graph = taken(Squeeze, 3)
    small_networks.decompose_network(network, graph, small_networks.Decomposition(5))
    codes = torch.from_numpy(images(5, 64)).float() / 64
    quantize_by_feedback(network.eval(), graph, settings(rate_distortion_weight=1.0), codes)
    for entry in entries(network, graph).values():
        assert entry.parametrizations is not None and isinstance(entry.parametrizations[0], Masked)
        mask = entry.parametrizations[0].mask
        found, alpha = ternary_codes(entry)
        assert torch.equal(found != 0, mask != 0) and (alpha > 0).all() and (found == 0).any()
        if isinstance(entry.module, DecomposedConv2d):
            assert basis_codes(entry.module).codes.abs().max() == 127


def test_what_is_read_decides() -> None:
    """Few samples, which leave directions open, change nothing there: the damping keeps the kernels."""
    network, graph = pruned(Residual, 3, keep=0.9)
    before = copy.deepcopy(entries(network, graph)["conv2"].table.detach())
    dark = torch.zeros(4, 3, 8, 8)
    lines: list[str] = []
    done = quantize_by_feedback(network, graph, settings(), dark, lines.append)
    assert [line.split("'")[1] for line in lines] == [fed.name for fed in done]
    assert lines[0].startswith(f"  feedback: layer 1 of {len(done)}, 'conv2', ")
    assert all(torch.isfinite(torch.tensor([fed.alone, fed.error])).all() for fed in done)
    found = entries(network, graph)["conv2"].table.detach()
    assert found.isfinite().all() and found.shape == before.shape


def test_the_float_network_as_reference_makes_up_for_the_decomposition() -> None:
    """Two basis kernels leave much out, which the outputs that are preserved have or lack."""
    network, graph = taken(Plain, 3)
    teacher = copy.deepcopy(network).eval()
    decompose_network(network, graph, Decomposition(2))
    real = torch.from_numpy(images(3, 64)).float() / 64
    errors = []
    with torch.no_grad():
        for reference in (None, teacher):
            quantized = copy.deepcopy(network)
            quantize_by_feedback(quantized, graph, settings(positions=1000), real, teacher=reference)
            wanted, found = (features(one.eval(), real)[-1] for one in (teacher, quantized))
            errors.append(float((found - wanted).square().mean() / wanted.var()))
    assert errors[1] < 0.9 * errors[0]


# Digits of 1x1 convolutions


def test_digits_give_the_same_kernels() -> None:
    generator = torch.Generator().manual_seed(1)
    for count, rows in ((1, 3), (2, 5)):
        table = torch.randn(4, 6, count, generator=generator)
        basis = torch.randn(count, 1, 2, generator=generator)
        digits, kernels = with_digits(table, basis, rows)
        assert digits.shape == (4, 6, rows) and kernels.shape == (rows, 1, 2)
        torch.testing.assert_close(combine_kernels(digits, kernels), combine_kernels(table, basis))
        torch.testing.assert_close(kernels[count:], kernels[:-count] / 3)


def test_digits_are_nearer_than_one(tmp_path: Path) -> None:
    """A 1x1 convolution becomes a decomposed layer, in the package as well."""
    scores = []
    for layers in ({}, {"mix": 3}):
        fields = {**maps(Squeeze), "decomposition": {"basis": 5, "layers": layers}}
        report, package = compressed(fields, tmp_path / f"digits-{len(layers)}")
        kind = next(layer for layer in package.manifest.layers if layer.name == "mix")
        assert (kind.kind, kind.basis) == (("decomposed", 3) if layers else ("pointwise", 1))
        rows = next(step for step in report.steps if step.name == "quantize").details
        scores.append(next(row["error"] for row in rows if row["name"] == "mix"))
    assert scores[1] < scores[0]


def test_three_digits_have_a_tenth_of_the_error_of_one() -> None:
    generator = torch.Generator().manual_seed(2)
    inputs, target = torch.randn(400, 64, generator=generator), torch.randn(1, 64, 1, generator=generator)
    errors = []
    for rows in (1, 3):
        one = Problem(target, inputs.T @ inputs / 400, 0.0, Alpha.CHANNEL, rows)
        errors.append(one.error(solve(one, 2)[2]))
    print(errors)
    assert errors[1] < 0.1 * errors[0]


def test_digits_need_feedback(tmp_path: Path) -> None:
    fields = {**maps(Squeeze), "decomposition": {"basis": 5, "layers": {"mix": 2}}}
    fields["quantization"] = {**fields["quantization"], "feedback": None}
    fields["pruning"] = {"sparsities": [0.5]}
    with pytest.raises(UserError, match="'mix', a 1x1 convolution, 2 basis kernels"):
        compressed(fields, tmp_path)


# The recipe


def with_feedback(**fields: Any) -> dict[str, Any]:
    phase = {"epochs": 1, "learning_rate": 0.001}
    plain = recipe_fields("digits", phase)
    return {**plain, "quantization": {**plain["quantization"], "feedback": {"images": 8, **fields}}}


def test_pruning_may_be_left_out_with_feedback() -> None:
    assert not parse_recipe({**with_feedback(), "pruning": {}}, "test").pruning.sparsities
    with pytest.raises(UserError, match="give either 'sparsities' or 'deviations'"):
        recipe(pruning={})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 0}, "'quantization.feedback.images' is 0"),
        ({"rate_distortion_weight": -1.0}, "'quantization.feedback.rate_distortion_weight' is -1.0"),
        ({"damping": 0.0}, "'quantization.feedback.damping' is 0.0"),
        ({"sweeps": 3}, "'quantization.feedback.sweeps' is not known"),
        ({"reference": "teacher"}, "'quantization.feedback.reference' is 'teacher'"),
    ],
)
def test_wrong_fields_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_recipe(with_feedback(**change), "test")


@pytest.mark.parametrize("decomposition", [{"basis": 8}, {"basis": 5, "layers": {"conv2": 9}}])
def test_too_many_combinations_are_refused(decomposition: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"'quantization\.feedback' takes 7 at most"):
        parse_recipe({**with_feedback(), "decomposition": decomposition}, "test")


@pytest.mark.parametrize("pruned_first", [True, False])
def test_a_run_with_feedback_resumes_to_the_same_package(pruned_first: bool, tmp_path: Path) -> None:
    """From a pruned network and from one that is not; golden computes what was trained."""
    fields = {**with_feedback(images=16, rate_distortion_weight=0.5), "network": own(Residual)}
    if not pruned_first:
        fields["pruning"] = {}
    single, package = compressed(fields, tmp_path / "single")
    compressed(fields, tmp_path / "resumed", last="prune")
    compressed(fields, tmp_path / "resumed", last="quantize")
    resumed, other = compressed(fields, tmp_path / "resumed")
    assert 0 < single.coefficient_sparsity == resumed.coefficient_sparsity < 1
    details = next(step.details for step in single.steps if step.name == "quantize")
    assert [row["name"] for row in details] == ["conv2", "short", "conv3", "conv4", "conv5", "fc"]
    one, two = ({path.name: path.read_bytes() for path in held.folder.iterdir()} for held in (package, other))
    assert one == two


class _Reached(Exception):
    """A step came to the function that it calls."""


def test_a_step_hands_on_what_its_recipe_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The float network to feedback, the costs of rows to pruning; neither where the recipe does not say so."""
    given: list[Any] = []

    def quantize(*arguments: Any, teacher: nn.Module | None) -> None:
        given.append(teacher)
        raise _Reached

    def prune(*arguments: Any) -> None:
        given.append(arguments[-1])
        raise _Reached

    monkeypatch.setattr(pipeline, "quantize_by_feedback", quantize)
    monkeypatch.setattr(pipeline, "prune_to", prune)
    for number, changes in enumerate(
        (
            {"pruning": {}},
            {"pruning": {}, "quantization": with_feedback(images=16, reference="float")["quantization"]},
            {},
            {"schedule": {"configuration": "tiny", "balance": 1.0}},
        )
    ):
        fields = {**with_feedback(images=16), "network": own(Residual), **changes}
        work = Compression(parse_recipe(fields, "test"), tmp_path / str(number), progress=False)
        work.runner.learn_from(work.network)
        work.decompose()
        with pytest.raises(_Reached):
            (work.quantize if "pruning" in changes else work.prune)()
        if number == 1:
            assert given[-1] is work.runner.teacher
    assert [one is not None for one in given] == [False, True, False, True]


def compressed(fields: dict[str, Any], folder: Path, last: str = STEPS[-1]) -> tuple[Report, Package]:
    """Run a recipe; the report and the package are none where ``last`` comes before export."""
    report = compress_network(
        parse_recipe(fields, "test"),
        folder / "package",
        work=folder / "work",
        progress=False,
        report=lambda step: None,
        last=last,
    )
    return report, read_package(folder / "package") if report else None  # type: ignore[return-value]


def maps(network: type[nn.Module]) -> dict[str, Any]:
    """A recipe for a network without labels that is not trained."""
    phase = {"epochs": 0, "learning_rate": 0.001}
    plain = recipe_fields(own(network), phase)
    return {
        **plain,
        "data": {"source": "synthetic", "options": options(SHAPE, classes=0)},
        "retraining": {**plain["retraining"], "alternations": 0},
        "pruning": {},
        "quantization": {**plain["quantization"], "feedback": {"images": 16}},
    }


@pytest.mark.parametrize("alpha", [Alpha.CHANNEL, Alpha.LAYER])
def test_a_channel_without_coefficients_keeps_its_scale(alpha: Alpha) -> None:
    """No scale is best for it: the one that it has must stay, for coefficients that come back."""
    generator = torch.Generator().manual_seed(3)
    target = torch.randn(2, 3, 4, generator=generator)
    problem = Problem(target, torch.eye(12), 0.0, alpha, 2, fixed_basis=True)
    codes = torch.zeros(2, 3, 2)
    if alpha is Alpha.CHANNEL:
        codes[1, 0, 0] = 1
    before = Solution(codes, torch.full((2,), 0.7), torch.randn(2, 4, generator=generator))
    after = fit(problem, before)
    assert float(after.alpha[0]) == pytest.approx(0.7)
    assert (float(after.alpha[1]) == pytest.approx(0.7)) == (alpha is Alpha.LAYER)
