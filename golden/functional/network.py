"""Whole networks, and their scores."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from penni_escalate.golden.layers import Layer
from penni_escalate.golden.package import Package

#: Images of a batch at most, and codes of a batch's largest tensor about.
_BATCH, _CODES = 64, 1 << 22


def layer_input(layer: Layer, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """What a layer works on, codes (N, H, W, C): its sources concatenated, then flattened where it asks for it."""
    sources = [tensors[name] for name in layer.sources]
    joined = sources[0] if len(sources) == 1 else np.concatenate(sources, axis=-1)
    return joined.reshape(len(joined), 1, 1, -1) if layer.flatten else joined


def run_layer(layer: Layer, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """One layer's tensor: codes (N, OH, OW, K), a classifier's logits int32 (N, K).

    Args:
        tensors: codes of its sources and of its skip tensor, by name.
    """
    skip = None if layer.skip is None else tensors[layer.skip.source]
    return layer.compute(layer_input(layer, tensors), skip)


def run_network(
    package: Package, images: np.ndarray, replace: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Every tensor of the network, by layer name; ``input`` is the images themselves.

    Args:
        images: input codes (N, H, W, C).
        replace: tensors of these images, by layer name, that are taken instead of computed.
    """
    return dict(_walk(package, images, replace or {}, keep=True))


def _walk(
    package: Package, images: np.ndarray, replace: Mapping[str, np.ndarray], *, keep: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """Each tensor as it is made; without ``keep`` those that no later layer needs are let go."""
    tensors = {"input": images}
    yield "input", images
    uses = [layer.needs for layer in package.layers]
    for place, layer in enumerate(package.layers):
        tensors[layer.name] = replace[layer.name] if layer.name in replace else run_layer(layer, tensors)
        yield layer.name, tensors[layer.name]
        if not keep:
            later = set().union(*uses[place + 1 :])
            tensors = {name: tensor for name, tensor in tensors.items() if name in later}


def score(
    package: Package,
    numbers: Sequence[int] | None = None,
    replace: Mapping[str, np.ndarray] | None = None,
    batch: int | None = None,
) -> float:
    """The main result's measure over held-out images: accuracy, or mean correlation.

    Args:
        numbers: the images' numbers, all of them if None.
        replace: tensors of these images, in this order, by layer name, that are taken instead of computed.
        batch: images at a time; chosen by the size of the tensors if None.
    """
    return scores(package, numbers, replace, batch)[package.result.layer]


def scores(
    package: Package,
    numbers: Sequence[int] | None = None,
    replace: Mapping[str, np.ndarray] | None = None,
    batch: int | None = None,
) -> dict[str, float]:
    """The measure of every result over held-out images, by its layer; see ``score``."""
    chosen = np.arange(len(package.images)) if numbers is None else np.asarray(numbers)
    found = {result.layer: 0.0 for result in package.results}
    for part, given in _results(package, chosen, replace or {}, batch):
        for layer, outputs in given.items():
            found[layer] += float(image_scores(package, part, outputs, layer).sum())
    return {layer: total / len(chosen) for layer, total in found.items()}


def mean_channel_scores(package: Package, layer: str | None = None) -> np.ndarray:
    """The measure of each channel of the map that a result is, over the held-out images, float64 (K,).

    Args:
        layer: that gives the result; the main one if None.
    """
    name = package.result_of(layer).layer
    numbers = np.arange(len(package.images))
    parts = _results(package, numbers, {}, None)
    return np.sum([channel_scores(package, n, given[name], name).sum(axis=0) for n, given in parts], axis=0) / len(
        numbers
    )


def _results(
    package: Package, chosen: np.ndarray, replace: Mapping[str, np.ndarray], batch: int | None
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Numbers of some images, and the tensor of each result's layer of these, batch by batch; see ``score``."""
    wanted = {result.layer for result in package.results}
    step = batch or _batch(package)
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        replaced = {name: tensor[start : start + step] for name, tensor in replace.items()}
        walk = _walk(package, package.images[part], replaced, keep=False)
        yield part, {name: tensor for name, tensor in walk if name in wanted}


def image_scores(
    package: Package, numbers: Sequence[int] | np.ndarray, outputs: np.ndarray, layer: str | None = None
) -> np.ndarray:
    """The measure of single images, float64 (N,).

    Accuracy: 1 where the largest logit is at the label, else 0. Correlation: the mean of ``channel_scores``.

    Args:
        numbers: the images' numbers.
        outputs: the tensor of the result's layer: logits (N, K) or codes (N, OH, OW, K).
        layer: that gives the result; the main one if None.
    """
    chosen, labels = np.asarray(numbers), package.result_of(layer).labels
    if labels is not None:
        return (outputs.argmax(axis=1) == labels[chosen]).astype(np.float64)
    return channel_scores(package, chosen, outputs, layer).mean(axis=1)


def channel_scores(
    package: Package, numbers: Sequence[int] | np.ndarray, outputs: np.ndarray, layer: str | None = None
) -> np.ndarray:
    """Correlation of each channel of the maps of single images, float64 (N, K).

    Pearson's between maps / 255 and sigmoid(scale * code); 0 where either is the same everywhere.

    Args:
        numbers, outputs, layer: as of ``image_scores``, where the measure is correlation.
    """
    result = package.result_of(layer)
    assert result.maps is not None
    # The hyperbolic tangent gives the sigmoid without overflow.
    found = 0.5 + 0.5 * np.tanh(0.5 * result.scale * outputs.astype(np.float64))
    return correlations(found, result.maps[np.asarray(numbers)] / 255)


def correlations(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each channel of maps (N, H, W, K), float64 (N, K); 0 where one is constant."""
    pairs = zip(found, wanted, strict=True)
    return np.array(
        [[_correlation(x[..., k].ravel(), y[..., k].ravel()) for k in range(x.shape[-1])] for x, y in pairs]
    )


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def _batch(package: Package) -> int:
    """Images at a time: many where tensors are small, so that a layer's kernels are expanded seldom."""
    sizes = (layer.out_height * layer.out_width * layer.geometry.kernels for layer in package.layers)
    return min(_BATCH, max(1, _CODES // max(sizes)))
