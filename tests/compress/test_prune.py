"""compress/prune, channels and shrink: which coefficients go, and which channels with them."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from penni_escalate.compress.channels import Channels
from penni_escalate.compress.data import load_data
from penni_escalate.compress.decompose import decompose_network
from penni_escalate.compress.graph import Graph
from penni_escalate.compress.layers import Coefficients
from penni_escalate.compress.network import Network
from penni_escalate.compress.prune import (
    apply_mask,
    balanced,
    importance,
    least,
    prune_by_deviation,
    prune_channels,
    prune_to,
)
from penni_escalate.compress.recipe import Decomposition, Phase
from penni_escalate.compress.shrink import shrink
from penni_escalate.compress.training import Runner
from tests.compress import small_networks
from tests.compress.small_networks import (
    SHAPE,
    Dense,
    Flat,
    Mobile,
    Plain,
    Residual,
    Squeeze,
    coefficient_counts,
    entries,
    options,
    pruned,
    recipe,
    taken,
)


def decomposed(network: type[nn.Module], seed: int = 0) -> tuple[Network, Graph]:
    traced, graph = taken(network, seed)
    decompose_network(traced, graph, Decomposition(5))
    return traced, graph


def tables(network: nn.Module, graph: Graph) -> dict[str, Tensor]:
    return {name: entry.table.detach().clone() for name, entry in entries(network, graph).items()}


def sparsity(network: nn.Module, graph: Graph) -> float:
    count, nonzero = coefficient_counts(network, graph)
    return 1 - nonzero / count


# Coefficients


@pytest.mark.parametrize("target", [0.1, 0.5, 0.905])
@pytest.mark.parametrize("network", [Residual, Mobile, Flat], ids=lambda network: network.__name__)
def test_pruning_reaches_the_sparsity(network: type[nn.Module], target: float) -> None:
    traced, graph = decomposed(network)
    prune_to(list(entries(traced, graph).values()), target)
    count, nonzero = coefficient_counts(traced, graph)
    # The least number of coefficients that makes it.
    assert (count - nonzero - 1) / count < target <= (count - nonzero) / count


def test_pruning_takes_the_least_important_and_keeps_the_pruned() -> None:
    traced, graph = decomposed(Residual)
    with torch.no_grad():
        traced.get_submodule("conv3").get_parameter("basis")[1] *= 30
    before, scores = tables(traced, graph), {name: importance(x) for name, x in entries(traced, graph).items()}
    prune_to(list(entries(traced, graph).values()), 0.5)
    first = tables(traced, graph)
    prune_to(list(entries(traced, graph).values()), 0.8)
    second = tables(traced, graph)
    for name in before:
        kept = first[name] != 0
        assert torch.equal(first[name][kept], before[name][kept]), name
        assert not (second[name][~kept] != 0).any(), name
    lowest = min(float(scores[name][first[name] != 0].min()) for name in before)
    highest = max(float(scores[name][first[name] == 0].max()) for name in before)
    assert lowest >= highest
    # The long basis kernel weighs: its coefficients outlive the others of the layer.
    assert (first["conv3"][..., 1] != 0).float().mean() > 2 * (first["conv3"][..., [0, 2, 3, 4]] != 0).float().mean()


def test_importance_is_relative_to_the_layer() -> None:
    traced, graph = decomposed(Residual)
    entry = entries(traced, graph)["conv4"]
    score = importance(entry)
    size = entry.table.detach().abs() * torch.linalg.vector_norm(
        entry.module.get_parameter("basis").detach(), dim=(1, 2)
    )
    torch.testing.assert_close(score, (size / size.square().mean().sqrt()))
    with torch.no_grad():
        entry.tensor.mul_(100)
    torch.testing.assert_close(importance(entry), score)


@pytest.mark.parametrize("density", [0.1, 0.3])
def test_row_density_bounds_the_fullest_row(density: float) -> None:
    traced, graph = decomposed(Residual)
    rows = {name: entry for name, entry in entries(traced, graph).items() if entry.table.shape[2] > 1}
    count = sum(entry.table.numel() for entry in rows.values())
    prune_to(list(rows.values()), 1 - density, density)
    for name, entry in rows.items():
        fullest = (entry.table != 0).float().mean(dim=(0, 1)).max()
        assert fullest <= density + 1 / entry.table[..., 0].numel(), name
    assert abs(sum(int((entry.table != 0).sum()) for entry in rows.values()) - density * count) <= 1


@pytest.mark.parametrize("count", [0, 1, 7, 40, 99, 100])
def test_the_least_are_those_of_a_stable_order(count: int) -> None:
    values = torch.randint(0, 8, (100,), generator=torch.Generator().manual_seed(count)) / 8
    expected = torch.zeros(100, dtype=torch.bool)
    expected[values.argsort(stable=True)[:count]] = True
    assert torch.equal(least(values, count), expected)


def test_balanced_keeps_the_order_within_and_beyond() -> None:
    score = torch.tensor([4.0, 1.0, 3.0, 2.0]).reshape(4, 1, 1)
    # Half of the row keeps its scores; the others come after, in their order.
    assert balanced(score, 0.5).flatten().argsort().tolist() == [1, 3, 2, 0]
    assert balanced(score, 0.5).flatten().tolist() == pytest.approx([4, 1e-6, 3, 2e-6])
    assert torch.equal(balanced(score, 1.0), score)


@pytest.mark.parametrize("deviations", [0.5, 1.0])
def test_deviation_rule(deviations: float) -> None:
    """PENNI's own rule, layer by layer, and what went before stays away."""
    traced, graph = decomposed(Residual)
    for again in (False, True):
        before = tables(traced, graph)
        prune_by_deviation(list(entries(traced, graph).values()), deviations)
        for name, table in tables(traced, graph).items():
            expected = before[name].abs() >= deviations * before[name].std()
            assert torch.equal(table != 0, expected & (before[name] != 0)), (name, again)


def test_zeros_and_their_gradients_are_held_through_training(tmp_path: Path) -> None:
    traced, graph = decomposed(Residual)
    prune_to(list(entries(traced, graph).values()), 0.6)
    before = tables(traced, graph)
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    torch.autograd.backward(traced(x).square().sum())
    for name, entry in entries(traced, graph).items():
        assert entry.parametrizations is not None
        gradient = entry.parametrizations.original.grad
        assert gradient is not None and not gradient.reshape(before[name].shape)[before[name] == 0].any(), name
        assert gradient.any(), name
    runner = Runner(load_data("synthetic", 1, **options(SHAPE)), recipe(), graph, tmp_path, progress=False)
    runner.train("step", traced, runner.float_features(traced), Phase(2, 0.01))
    for name, table in tables(traced, graph).items():
        assert torch.equal(table == 0, before[name] == 0) and not torch.equal(table, before[name]), name


def test_a_second_mask_replaces_the_first() -> None:
    traced, graph = decomposed(Flat)
    entry = entries(traced, graph)["fc1"]
    apply_mask(entry, torch.zeros(entry.table.shape))
    apply_mask(entry, torch.ones(entry.table.shape))
    assert entry.parametrizations is not None and len(entry.parametrizations) == 1
    assert not entry.tensor.any(), "what went stays away"


@pytest.mark.parametrize(("frozen", "trained"), [("coefficients", "basis"), ("basis", "coefficients")])
def test_frozen_tensors_do_not_move(tmp_path: Path, frozen: str, trained: str) -> None:
    """Neither momentum nor weight decay reaches what is not trained."""
    traced, graph = decomposed(Residual)
    decayed = recipe(weight_decay=0.1)
    for entry in entries(traced, graph).values():
        if entry.field == "coefficients":
            entry.module.get_parameter(frozen).requires_grad_(False)
    before = {name: value.detach().clone() for name, value in traced.named_parameters()}
    runner = Runner(load_data("synthetic", 1, **options(SHAPE)), decayed, graph, tmp_path, progress=False)
    runner.train("turn", traced, runner.float_features(traced), Phase(1, 0.01))
    for name, value in traced.named_parameters():
        if name.endswith((frozen, trained)):
            assert torch.equal(value, before[name]) == name.endswith(frozen), name


def test_relative_rates_move_large_and_small_tensors_alike(tmp_path: Path) -> None:
    """Coefficients a hundred times as large move a hundred times as far; a tensor of zeros moves too."""
    traced, graph = decomposed(Residual)
    with torch.no_grad():
        traced.get_submodule("conv2").get_parameter("coefficients").mul_(100)
        traced.get_submodule("bn5").get_parameter("bias").zero_()
    before = {name: value.detach().clone() for name, value in traced.named_parameters()}
    settings = recipe(weight_decay=0.0)
    runner = Runner(load_data("synthetic", 1, **options(SHAPE)), settings, graph, tmp_path, progress=False)
    runner.train("turn", traced, runner.float_features(traced), Phase(1, 0.01, relative=True))
    moved = {}
    for name, value in traced.named_parameters():
        size = max(float(before[name].square().mean().sqrt()), 1e-3)
        moved[name] = float((value.detach() - before[name]).abs().max()) / size
    print(moved)
    assert all(0 < change < 0.03 for change in moved.values())


# Channels


ALL = slice(None)
Index = slice | int | list[int] | Tensor


def clear(entry: Coefficients, outputs: Index = ALL, inputs: Index = ALL) -> None:
    """Hold the coefficients of these output or input channels at zero."""
    mask = (entry.table.detach() != 0).float()
    mask[outputs, inputs] = 0
    apply_mask(entry, mask)


def test_groups_of_a_residual_network() -> None:
    traced, graph = decomposed(Residual)
    channels = Channels(traced, graph)
    # conv1 and conv2 are added, as are conv3 and short; option takes conv3's along to conv4 and conv5.
    assert torch.equal(channels.written["conv1"], channels.written["conv2"])
    assert torch.equal(channels.written["conv3"], channels.written["short"])
    assert torch.equal(channels.written["option"], channels.written["conv4"])
    assert torch.equal(channels.written["conv4"], channels.written["conv5"])
    assert torch.equal(channels.written["option"][2:14], channels.written["conv3"])
    # 3 of the input, 8, 12 with the 4 that option fills with zeros, and 4 logits.
    assert channels.count == 3 + 8 + 12 + 4 + 4
    removable = channels.removable(list(entries(traced, graph).values()))
    assert not removable[channels.read["conv1"]].any() and not removable[channels.written["fc"]].any()
    assert int(removable.sum()) == 24


def test_a_group_that_nobody_reads_is_of_infinite_importance() -> None:
    """It is not removed for being small; one that is read and all zero is of none."""
    traced, graph = decomposed(Residual)
    channels = Channels(traced, graph)
    assert torch.equal(channels.importance({}), torch.full((channels.count,), torch.inf))
    read = torch.zeros(channels.count, dtype=torch.bool)
    read[channels.read["conv1"]] = True
    found = channels.importance({"conv1": torch.zeros(8, 3, 2)})
    assert torch.equal(found == 0, read)
    assert bool(found[~read].isinf().all())


def test_groups_of_depthwise_flattened_and_pooled_channels() -> None:
    traced, graph = decomposed(Mobile)
    channels = Channels(traced, graph)
    assert torch.equal(channels.written["expand"], channels.written["depth"])
    assert torch.equal(channels.written["stem"], channels.written["project"])
    traced, graph = decomposed(Flat)
    channels = Channels(traced, graph)
    assert channels.read["fc1"].shape == (40,)
    assert torch.equal(channels.read["fc1"], channels.written["conv2"].repeat_interleave(4))
    traced, graph = decomposed(Dense)
    channels = Channels(traced, graph)
    assert torch.equal(channels.read["conv3"], torch.cat([channels.written["conv1"], channels.written["conv2"]]))


def test_closing_a_join_needs_every_part() -> None:
    """A channel of two joined layers goes only where nothing reads it; then both parts' coefficients go with it."""
    traced, graph = pruned(Residual, 1, keep=1.0)
    table = entries(traced, graph)
    for name in ("conv3", "short"):
        clear(table[name], inputs=4)
    before = tables(traced, graph)
    # conv2 reads channel 4 of conv1, which is channel 4 of their sum: it stays.
    assert Channels(traced, graph).close(list(table.values()), apply_mask) == 0
    clear(table["conv2"], inputs=4)
    gone = Channels(traced, graph).close(list(table.values()), apply_mask)
    # conv1 is dense, so conv2's eighth row is all that serves the channel.
    assert gone == int((before["conv2"][4] != 0).sum()) - 5 == 35
    after = tables(traced, graph)
    assert not after["conv2"][4].any() and torch.equal(after["conv4"], before["conv4"])


def test_closing_follows_a_chain_in_both_directions() -> None:
    traced, graph = pruned(Plain, 2, keep=1.0)
    table = entries(traced, graph)
    # Nothing reads channel 3 of conv3; nothing feeds channel 5 of conv2.
    clear(table["fc"], inputs=3)
    clear(table["conv2"], 5)
    gone = Channels(traced, graph).close(list(table.values()), apply_mask)
    after = tables(traced, graph)
    assert not after["conv3"][3].any() and not after["conv3"][:, 5].any()
    assert gone == 12 * 5 + 9 * 5
    assert Channels(traced, graph).close(list(table.values()), apply_mask) == 0


def test_closing_a_silent_skip() -> None:
    """conv4 and conv5 are added: a channel that only one of them feeds stays; that none feeds goes with its readers."""
    traced, graph = pruned(Residual, 3, keep=1.0)
    table = entries(traced, graph)
    clear(table["conv4"], 0)
    assert Channels(traced, graph).close(list(table.values()), apply_mask) == 0
    clear(table["conv5"], 0)
    # Channel 0 of the shortcut is one of its zeros.
    assert Channels(traced, graph).close(list(table.values()), apply_mask) == 15 * 5 + small_networks.CLASSES
    after = tables(traced, graph)
    assert not after["conv5"][:, 0].any() and not after["fc"][:, 0].any()


def test_channels_of_a_share_go_whole() -> None:
    traced, graph = decomposed(Residual)
    table = list(entries(traced, graph).values())
    channels = Channels(traced, graph)
    score = channels.importance({entry.layer.name: importance(entry) for entry in table})
    removable = channels.removable(table)
    prune_channels(table, graph, traced, 0.25)
    gone = channels.unread(table)
    assert int(gone.sum()) == 6
    assert score[gone].max() <= score[removable & ~gone].min()
    assert (channels.silent(table) & gone)[channels.written["conv3"]].sum() == gone[channels.written["conv3"]].sum()


# Shrinking


def logits(network: nn.Module, seed: int) -> Tensor:
    x = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        result: Tensor = network.eval()(x)
    return result


@pytest.mark.parametrize("ternary", [True, False])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("network", small_networks.NETWORKS, ids=lambda network: network.__name__)
def test_shrinking_keeps_what_the_network_computes(network: type[nn.Module], seed: int, ternary: bool) -> None:
    """Random coefficients and random input channels are zero, as many as it takes for chains of dead channels."""
    traced, graph = pruned(network, seed, keep=0.9, ternary=ternary)
    generator = torch.Generator().manual_seed(seed)
    for entry in entries(traced, graph, ternary).values():
        dead = torch.rand(entry.table.shape[1], generator=generator) < 0.6
        clear(entry, inputs=dead)
    expected = logits(traced, seed)
    smaller, counts = shrink(traced, graph, ternary)
    print({count.name: (count.before, count.after) for count in counts})
    torch.testing.assert_close(logits(traced, seed), expected, rtol=1e-5, atol=1e-5)
    assert any(count.after < count.before for count in counts)
    for count in counts:
        assert count.before == graph.layer(count.name).out_shape[0]
        assert 1 <= count.after == smaller.layer(count.name).out_shape[0] <= count.before
    # A fixed point: nothing that is left could go, but for a tensor's only channel.
    again, counts = shrink(traced, smaller, ternary)
    assert again == smaller and all(count.before == count.after for count in counts)


def test_shrinking_runs_until_nothing_changes() -> None:
    """A dead channel at the end kills, one after the other, what fed it alone."""
    traced, graph = pruned(Plain, 1, keep=1.0)
    table = entries(traced, graph)
    clear(table["fc"], inputs=slice(6, None))  # four channels of conv3 are read by nobody
    clear(table["conv3"], slice(6), slice(7, None))  # and they alone read five of conv2
    expected = logits(traced, 0)
    smaller, _ = shrink(traced, graph, True)
    assert {x.name: x.out_shape[0] for x in smaller.layers} == {"conv1": 8, "conv2": 7, "pool": 7, "conv3": 6, "fc": 4}
    assert smaller.layer("conv3").in_shape == (7, 4, 4)
    assert traced.get_submodule("bn2").get_parameter("weight").shape == (7,)
    torch.testing.assert_close(logits(traced, 0), expected, rtol=1e-5, atol=1e-5)


def test_joined_layers_keep_the_union() -> None:
    traced, graph = pruned(Residual, 1, keep=1.0)
    table = entries(traced, graph)
    # conv2 reads channels 0..3 of the joined tensor, its other readers 2..5: the union 0..5 stays.
    clear(table["conv2"], inputs=slice(4, None))
    for name in ("conv3", "short"):
        clear(table[name], inputs=[0, 1, 6, 7])
    expected = logits(traced, 2)
    smaller, _ = shrink(traced, graph, True)
    assert smaller.layer("conv1").out_shape[0] == smaller.layer("conv2").out_shape[0] == 6
    torch.testing.assert_close(logits(traced, 2), expected, rtol=1e-5, atol=1e-5)


def test_a_tensor_keeps_one_channel() -> None:
    traced, graph = pruned(Plain, 1, keep=1.0)
    clear(entries(traced, graph)["conv3"])
    expected = logits(traced, 2)
    smaller, _ = shrink(traced, graph, True)
    # The one that is left of conv2 goes on reading all of conv1.
    assert smaller.layer("conv2").out_shape[0] == 1 and smaller.layer("conv1").out_shape[0] == 8
    torch.testing.assert_close(logits(traced, 2), expected, rtol=1e-5, atol=1e-5)


def test_masks_stay_after_shrinking() -> None:
    traced, graph = pruned(Residual, 6, keep=0.6)
    for name in ("fc", "conv5"):
        clear(entries(traced, graph)[name], inputs=slice(4))
    smaller, _ = shrink(traced, graph, True)
    for name, entry in entries(traced, smaller).items():
        assert parametrize.is_parametrized(entry.module, entry.field), name
        assert entry.parametrizations is not None
        mask = entry.parametrizations[0].get_buffer("mask")
        assert torch.equal((entry.tensor != 0).float(), mask * (entry.tensor != 0)), name
        setattr(entry.module, entry.field, torch.ones(entry.tensor.shape))
        assert torch.equal(entry.tensor, mask), name
    # Channels 2 and 3 of the joined tensor are conv3's first two, which conv4 reads.
    assert smaller.layer("conv5").out_shape[0] == 14 and smaller.layer("option").out_shape[0] == 14


def test_what_dense_layers_read_stays() -> None:
    """A dense classifier and depthwise kernels have no coefficients that could say that a channel is unread."""
    traced, graph = pruned(Squeeze, 1, keep=1.0)
    removable = Channels(traced, graph).removable(list(entries(traced, graph).values()))
    channels = Channels(traced, graph)
    assert removable[channels.written["conv2"]].all() and not removable[channels.written["mix"]].any()
    traced, graph = pruned(Plain, 1, keep=1.0, ternary=False)
    channels = Channels(traced, graph)
    assert not channels.removable(list(entries(traced, graph, False).values()))[channels.written["conv3"]].any()
