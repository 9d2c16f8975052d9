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
    """The package's measure over held-out images: accuracy, or mean correlation.

    Args:
        numbers: the images' numbers, all of them if None.
        replace: tensors of these images, in this order, by layer name, that are taken instead of computed.
        batch: images at a time; chosen by the size of the tensors if None.
    """
    chosen = np.arange(len(package.images)) if numbers is None else np.asarray(numbers)
    parts = _results(package, chosen, replace or {}, batch)
    return sum(float(image_scores(package, part, last).sum()) for part, last in parts) / len(chosen)


def mean_channel_scores(package: Package) -> np.ndarray:
    """The measure of each channel of the map that is the result, over the held-out images, float64 (K,)."""
    numbers = np.arange(len(package.images))
    parts = _results(package, numbers, {}, None)
    return np.sum([channel_scores(package, part, last).sum(axis=0) for part, last in parts], axis=0) / len(numbers)


def _results(
    package: Package, chosen: np.ndarray, replace: Mapping[str, np.ndarray], batch: int | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Numbers of some images, and the last layer's tensor of these, batch by batch; see ``score``."""
    step = batch or _batch(package)
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        replaced = {name: tensor[start : start + step] for name, tensor in replace.items()}
        for _, tensor in _walk(package, package.images[part], replaced, keep=False):
            last = tensor
        yield part, last


def image_scores(package: Package, numbers: Sequence[int] | np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The measure of single images, float64 (N,).

    Accuracy: 1 where the largest logit is at the label, else 0. Correlation: the mean of ``channel_scores``.

    Args:
        numbers: the images' numbers.
        outputs: the last layer's tensor: logits (N, K) or codes (N, OH, OW, K).
    """
    chosen = np.asarray(numbers)
    if package.labels is not None:
        return (outputs.argmax(axis=1) == package.labels[chosen]).astype(np.float64)
    return channel_scores(package, chosen, outputs).mean(axis=1)


def channel_scores(package: Package, numbers: Sequence[int] | np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Correlation of each channel of the maps of single images, float64 (N, K).

    Pearson's between maps / 255 and sigmoid(scale * code); 0 where either is the same everywhere.

    Args:
        numbers, outputs: as of ``image_scores``, where the measure is correlation.
    """
    assert package.maps is not None
    # The hyperbolic tangent gives the sigmoid without overflow.
    found = 0.5 + 0.5 * np.tanh(0.5 * package.manifest.layers[-1].scale * outputs.astype(np.float64))
    return correlations(found, package.maps[np.asarray(numbers)] / 255)


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
