"""What a step leaves for the next: a file from which the network can be rebuilt without running the steps again."""

import io
import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.results import write_atomically
from penni_escalate.compress.codes import Codes
from penni_escalate.compress.graph import Graph, Layer, Select
from penni_escalate.compress.layers import DecomposedConv2d, FixedDepthwise
from penni_escalate.compress.prune import masked
from penni_escalate.compress.quantize import quantize_kernels
from penni_escalate.compress.recipe import Recipe
from penni_escalate.compress.steps import STEPS, digest


def save_state(
    path: Path,
    key: str,
    network: nn.Module,
    graph: Graph,
    *,
    quantized: bool,
    tensors: Mapping[str, Codes],
    log: Any,
    image_scores: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a network between two steps.

    Args:
        log: what the steps reported, plain values.
        image_scores: what each held-out image adds to each result's score, (results, N), by step.
    """
    shapes = {layer.name: (layer.in_shape[0], layer.out_shape[0]) for layer in graph.layers}
    codes = {name: (value.scale, value.signed) for name, value in tensors.items()}
    buffer = io.BytesIO()
    torch.save(
        {
            "key": key,
            "shapes": shapes,
            "quantized": quantized,
            "codes": codes,
            "log": json.dumps(log),
            "image_scores": {step: torch.from_numpy(scores) for step, scores in (image_scores or {}).items()},
            "weights": network.state_dict(),
        },
        buffer,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def load_state(path: Path, key: str) -> dict[str, Any] | None:
    """A file that ``save_state`` wrote under the same key; None where there is none, or one of another recipe.

    Raises UserError where it is damaged.
    """
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if saved["key"] != key:
            return None
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError, pickle.UnpicklingError):
        raise UserError(f"{relative(path)} is damaged: remove it, and the step runs again.") from None
    return saved


def take_over(recipe: Recipe, work: Path, others: Iterable[Path], last: str = STEPS[-2]) -> list[str]:
    """Copy into ``work`` what runs in other work folders left of the same steps of the same recipe.

    Args:
        others: work folders of runs whose recipes may agree with this one in the first steps.
        last: the last step that is wanted.

    Returns the steps that were copied. A file that is there already stays; one that is damaged is no loss.
    """
    copied = []
    for step in STEPS[: STEPS.index(last) + 1]:
        path, key = work / f"{step}.pt", digest(recipe, step)
        if _has(path, key):
            continue
        found = next((other / path.name for other in others if _has(other / path.name, key)), None)
        if found is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, found.read_bytes())
            copied.append(step)
    return copied


def _has(path: Path, key: str) -> bool:
    try:
        return load_state(path, key) is not None
    except UserError:
        return False


def restore(saved: Mapping[str, Any], network: nn.Module, graph: Graph, recipe: Recipe) -> Graph:
    """Bring a fresh network into the form and the weights of a file, in place; returns its graph."""
    weights: dict[str, Tensor] = saved["weights"]
    layers = []
    for layer in graph.layers:
        channels, kernels = saved["shapes"][layer.name]
        layer = replace(layer, in_shape=(channels, *layer.in_shape[1:]), out_shape=(kernels, *layer.out_shape[1:]))
        layers.append(layer)
        if layer.module:
            _restore_layer(network, layer, weights)
        if layer.norm:
            norm = network.get_submodule(layer.norm)
            assert isinstance(norm, nn.BatchNorm2d)
            network.set_submodule(layer.norm, nn.BatchNorm2d(kernels, norm.eps, norm.momentum))
    graph = replace(graph, layers=tuple(layers))
    for layer in graph.layers:
        for field in ("coefficients", "weight"):
            mask = weights.get(f"{layer.module}.parametrizations.{field}.0.mask")
            if mask is not None:
                masked(network.get_submodule(layer.module), field, mask)
    if saved["quantized"]:
        quantize_kernels(network, graph, recipe.quantization)
    network.load_state_dict(weights)
    return graph


def _restore_layer(network: nn.Module, layer: Layer, weights: Mapping[str, Tensor]) -> None:
    """Replace a layer's module by an empty one of the kind and size that the weights have."""
    path = layer.module
    module = network.get_submodule(path)

    def shape(field: str) -> torch.Size | None:
        for name in (f"{path}.{field}", f"{path}.parametrizations.{field}.original"):
            if name in weights:
                return weights[name].shape
        return None

    table, basis, weight = shape("coefficients"), shape("basis"), shape("weight")
    bias = torch.zeros(layer.out_shape[0]) if f"{path}.bias" in weights else None
    if isinstance(module, Select):
        module.table = torch.zeros_like(weights[f"{path}.table"])
    elif isinstance(module, FixedDepthwise):
        assert weight is not None
        network.set_submodule(path, FixedDepthwise(torch.zeros(weight), bias, module.stride, module.padding))
    elif table is not None and basis is not None:
        empty = DecomposedConv2d(torch.zeros(table), torch.zeros(basis), bias, layer.stride, layer.padding)
        network.set_submodule(path, empty)
    elif weight is not None and weight != module.weight.shape:
        size = (weight[1], weight[0])
        if isinstance(module, nn.Linear):
            network.set_submodule(path, nn.Linear(*size, bias=bias is not None))
            return
        assert isinstance(module, nn.Conv2d)
        depthwise = module.groups > 1
        network.set_submodule(
            path,
            nn.Conv2d(
                weight[0] if depthwise else weight[1],
                weight[0],
                layer.kernel,
                layer.stride,
                layer.padding,
                groups=weight[0] if depthwise else 1,
                bias=bias is not None,
            ),
        )


def saved_scores(saved: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What each held-out image adds to each result's score, (results, N), by step."""
    return {step: np.atleast_2d(scores.numpy()) for step, scores in saved.get("image_scores", {}).items()}


def saved_codes(saved: Mapping[str, Any]) -> dict[str, Codes]:
    """What each tensor's codes mean, empty before the calibration."""
    return {name: Codes(scale, signed) for name, (scale, signed) in saved["codes"].items()}
