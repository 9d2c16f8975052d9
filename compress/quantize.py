"""Hybrid quantization of a network's kernels: which quantizer each layer gets (ESCALATE)."""

import torch
from torch import nn
from torch.nn.utils import parametrize

from penni_escalate.compress.graph import Graph, Layer, Role
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d, coefficients
from penni_escalate.compress.quantizers import Alpha, RowInt8, Ternary
from penni_escalate.compress.recipe import Classifier, Quantization, Scale


def quantize_kernels(network: nn.Module, graph: Graph, settings: Quantization) -> None:
    """Attach the quantizers, in place: ternary coefficients, int8 basis kernels and dense kernels.

    Raises ValueError unless the coefficients have been pruned: the mask decides which of them are zero.
    """
    ternary_classifier = settings.classifier is Classifier.TERNARY
    sparse = {entry.layer.name: entry for entry in coefficients(network, graph, ternary_classifier)}
    for layer in graph.layers:
        entry = sparse.get(layer.name)
        if entry is not None and isinstance(entry.module, DecomposedConv2d):
            balance_kernels(entry)
        attach_quantizers(network, layer, entry, settings)


def attach_quantizers(network: nn.Module, layer: Layer, entry: Coefficients | None, settings: Quantization) -> None:
    """Attach a layer's quantizers, in place, to its coefficients and basis as they are; or to its dense kernels.

    Args:
        entry: the layer's coefficients, None where they are not to be ternary.

    Raises ValueError where coefficients have no mask.
    """
    if entry is None:
        quantizer = ROLES[layer.role].kernels
        if quantizer is not None:
            parametrize.register_parametrization(network.get_submodule(layer.module), "weight", quantizer())
        return
    if entry.parametrizations is None:
        raise ValueError(f"layer '{layer.name}' has not been pruned")
    if isinstance(entry.module, DecomposedConv2d):
        parametrize.register_parametrization(entry.module, "basis", RowInt8())
    parametrize.register_parametrization(entry.module, entry.field, Ternary(alpha_of(layer, settings)))


def alpha_of(layer: Layer, settings: Quantization) -> Alpha:
    """Which of a layer's ternary coefficients share a magnitude."""
    if layer.role is Role.CLASSIFIER:
        return Alpha.LAYER
    if settings.scale is Scale.BASIS and layer.role is Role.DECOMPOSED:
        return Alpha.NONE
    return Alpha.CHANNEL


def freeze_coefficients(entries: list[Coefficients]) -> None:
    """Stop training the coefficients of quantized layers, in place."""
    for entry in entries:
        assert entry.parametrizations is not None
        entry.parametrizations.requires_grad_(False)


def balance_kernels(entry: Coefficients) -> None:
    """Move the mean coefficient magnitude of each basis kernel into the kernel, in place; the kernels' sum stays.

    Ternary coefficients have one magnitude for all basis kernels, so the kernels' scales must be in the basis.
    """
    module = entry.module
    assert isinstance(module, DecomposedConv2d)
    with torch.no_grad():
        table = module.coefficients
        used = table.count_nonzero(dim=(0, 1))
        # A kernel that nothing uses must not become the smallest, which sets the unit of all.
        scale = torch.where(used > 0, table.abs().sum(dim=(0, 1)) / used.clamp_min(1), 1.0)
        module.coefficients = table / scale
        module.basis = nn.Parameter(module.basis * scale[:, None, None])
