"""The weights between the steps against the papers' formulas: decomposition, pruning, shrinking, quantization, cost."""

from collections.abc import Iterator, Mapping

import numpy as np

from penni_escalate.compress.penni import formulas
from penni_escalate.compress.penni.comparison import ROUNDED, Comparison, Pair, compare
from penni_escalate.compress.penni.layouts import Layout, Treatment
from penni_escalate.compress.penni.settings import BASIS, DEVIATIONS
from penni_escalate.compress.penni.watch import State, Watch

#: Distance from a threshold, relative to it, or from the middle between two codes, where rounding decides the side.
_TIE = 1e-4
#: Steps that change what a network costs; from shrinking on, channels are gone.
_COUNTED = ("train", "decompose", "prune", "shrink", "quantize")
_SLICED = ("shrink", "quantize")
_SPARSE = (Treatment.DECOMPOSED, Treatment.COEFFICIENTS)


def compare_weights(layout: Layout, watch: Watch) -> Iterator[Comparison]:
    """Every step that changes weights by a rule."""
    names = {layer.name: layer.module for layer in watch.compression.graph.layers}
    pruned = watch.at_step["prune"]
    # Of what the pipeline pruned, not of what it should have: each step is compared by itself.
    sizes = layout.sizes({module: pruned[module].table != 0 for module in layout.modules(*_SPARSE)})
    yield from _decomposition(layout, watch, names)
    yield from _pruning(layout, watch)
    yield from _shrinking(sizes, watch)
    yield from _quantization(layout, watch)
    yield from _cost(layout, watch, names, sizes)


def _kept_by_rule(layout: Layout, before: State) -> dict[str, np.ndarray]:
    """Which coefficients PENNI's rule keeps, bool (K, C, M), by module."""
    found = {}
    for module in layout.modules(*_SPARSE):
        table = before[module].table
        found[module] = np.abs(table) >= formulas.threshold(table, DEVIATIONS)
    return found


def _decomposition(layout: Layout, watch: Watch, names: Mapping[str, str]) -> Iterator[Comparison]:
    dense, after = watch.at_step["train"], watch.at_training["retrain-1"]
    said = {names[found["name"]]: np.array(found["error"]) for found in watch.steps["decompose"].details}
    best, errors, kernels, lost = {}, {}, {}, {}
    for module in layout.modules(Treatment.DECOMPOSED):
        weight, seen = dense[module].weight, after[module]
        found = formulas.best_basis(weight, BASIS)
        best[module], errors[module] = found.kernels, np.array(found.error)
        if seen.basis is not None:
            kernels[module] = formulas.combined(seen.weight, seen.basis)
            lost[module] = np.array(np.linalg.norm(kernels[module] - weight) / np.linalg.norm(weight))
    yield compare("decompose", "error of M basis kernels, reported", errors, said, 1e-9, "singular values of 64 bits")
    reason = "coefficients and kernels of 32 bits"
    yield compare("decompose", "error of M basis kernels, measured", errors, lost, 1e-5, reason)
    yield compare("decompose", "kernels that M basis kernels make", best, kernels, 16 * ROUNDED, reason)


def _pruning(layout: Layout, watch: Watch) -> Iterator[Comparison]:
    before, after = watch.at_step["retrain"], watch.at_training["prune-1"]
    rule = _kept_by_rule(layout, before)
    stays = layout.remaining(rule)
    ours, theirs = {}, {}
    for layer in layout.layers:
        if layer.module in rule:
            # What reads or makes a channel that is redundant goes as well.
            reads, writes = stays[[*layer.reads]], stays[[*layer.writes]]
            ours[layer.module] = rule[layer.module] & (writes[:, None] & reads)[:, :, None]
            theirs[layer.module] = after[layer.module].table != 0
            table = np.abs(before[layer.module].table)
            limit = formulas.threshold(before[layer.module].table, DEVIATIONS)
            near = np.abs(table / limit - 1) < ROUNDED * 4
            ours[layer.module][near] = theirs[layer.module][near]
    yield compare("prune", "coefficients that stay, 1 or 0", ours, theirs, 0.0, "yes or no; at the threshold, either")
    held = watch.at_step["prune"]
    ends = {module: held[module].table != 0 for module in rule}
    yield compare("prune", "the same after fine-tuning", theirs, ends, 0.0, "zeros are held")


def _shrinking(sizes: Mapping[str, tuple[int, int]], watch: Watch) -> Iterator[Comparison]:
    found = {module: np.array([seen.channels, seen.kernels]) for module, seen in watch.at_step["shrink"].items()}
    ours = {module: np.array(size) for module, size in sizes.items()}
    yield compare("shrink", "input and output channels", ours, found, 0.0, "whole numbers")
    before, after = ({"result": watch.results[step]} for step in ("prune", "shrink"))
    reason = "sums of 32 bits, in another order"
    yield compare("shrink", "logits before and after", before, after, 1e-4, reason)


def _quantization(layout: Layout, watch: Watch) -> Iterator[Comparison]:
    before, after = watch.at_step["shrink"], watch.at_training["ternary"]
    signs, alphas, kernels, dense = Pair(), Pair(), Pair(), Pair()
    for layer in layout.layers:
        seen, codes = before[layer.module], after[layer.module].codes
        assert codes is not None
        if layer.treatment not in _SPARSE:
            # Logits stay comparable: the classifier has one unit.
            eight = formulas.eight_bit_kernels(seen.weight, one_unit=layer.treatment is Treatment.CLASSIFIER)
            dense.add(layer.module, _either_at_ties(eight, codes.codes), codes.codes)
            continue
        table = seen.table
        if seen.basis is not None and codes.basis is not None and codes.basis_unit is not None:
            table, basis = formulas.balanced(table, seen.basis)
            eight = formulas.eight_bit_basis(basis)
            kernels.add(layer.module, _either_at_ties(eight, codes.basis), codes.basis)
            alphas.add(f"{layer.module}, basis kernels", eight.unit, codes.basis_unit)
        found = formulas.ternary(table)
        signs.add(layer.module, found.codes, codes.codes.reshape(table.shape))
        alphas.add(layer.module, found.alpha, codes.scale)
    yield signs.compare("quantize", "ternary coefficients", 0.0, "whole numbers")
    yield alphas.compare("quantize", "alpha, and units of basis kernels", 1e-5, "means of 32 bits")
    reason = "whole numbers; amid two, either"
    yield kernels.compare("quantize", "8-bit basis kernels", 0.0, reason)
    yield dense.compare("quantize", "8-bit dense kernels", 0.0, reason)


def _cost(
    layout: Layout, watch: Watch, names: Mapping[str, str], sizes: Mapping[str, tuple[int, int]]
) -> Iterator[Comparison]:
    for step in _COUNTED:
        operations, parameters = {}, {}
        for layer in layout.layers:
            channels, kernels = sizes[layer.module] if step in _SLICED else (len(layer.reads), len(layer.writes))
            nonzero = int(np.count_nonzero(watch.at_step[step][layer.module].weight))
            rows = BASIS if layer.treatment is Treatment.DECOMPOSED and step != "train" else 0
            operations[layer.module] = np.array(layer.operations(channels, rows, nonzero))
            parameters[layer.module] = np.array(layer.parameters(kernels, rows, nonzero))
        reported = watch.steps[step].layers
        for quantity, ours in (("operations", operations), ("parameters", parameters)):
            theirs = {names[str(row["name"])]: np.array(row[quantity]) for row in reported}
            yield compare(step, f"{quantity} of each layer", ours, theirs, 0.0, "whole numbers")


def _either_at_ties(eight: formulas.EightBit, found: np.ndarray) -> np.ndarray:
    """The formula's codes; where the number lies amid two codes, the pipeline's if it is one of them."""
    amid = np.abs(np.abs(eight.exact - np.floor(eight.exact)) - 0.5) < _TIE
    if eight.codes.shape != found.shape:
        return eight.codes
    return np.where(amid & (np.abs(found - eight.exact) < 0.5 + _TIE), found, eight.codes)
