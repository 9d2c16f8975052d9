"""ONNX files that are put together operator by operator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.shape_inference
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

#: Images, channels, height and width.
SIDES = ("images", 4, 6, 8)


def node(kind: str, *names: str, gives: str = "y", **attributes: Any) -> NodeProto:
    """An operator that reads these tensors."""
    return helper.make_node(kind, names, gives.split(","), name=f"the/{kind}/{gives}", **attributes)


def model(
    *nodes: NodeProto, image: Sequence[int | str | None] = SIDES, opset: int = 20, kind: int = TensorProto.FLOAT,
    outputs: Sequence[str] = ("y",), **arrays: Any,
) -> ModelProto:  # fmt: skip
    """A network of the image ``x``; arrays are its initializers."""
    graph = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info("x", kind, image)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    others = sorted({one.domain for one in nodes} - {""})
    versions = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in others)]
    made = helper.make_model(graph, opset_imports=versions, ir_version=9)
    # The results' shapes.
    return onnx.shape_inference.infer_shapes(made, data_prop=True)


def saved(made: ModelProto, folder: Path, name: str = "mine.onnx") -> Path:
    """Written to a file."""
    path = folder / name
    onnx.save(made, path)
    return path


def weights(*shape: int, seed: int = 1) -> np.ndarray:
    """Numbers of a layer."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def small() -> ModelProto:
    """Two convolutions with batch norm, a pool, and a fully connected layer."""
    return model(
        node("Conv", "x", "w1", "b1", gives="a", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "a", "scale", "shift", "mean", "variance", gives="b"),
        node("Relu", "b", gives="c"),
        node("Conv", "c", "w2", gives="d", strides=[2, 2]),
        node("GlobalAveragePool", "d", gives="e"),
        node("Flatten", "e", gives="f"),
        node("Gemm", "f", "fc", "bias", transB=1),
        w1=weights(8, 4, 3, 3), b1=weights(8), w2=weights(12, 8, 3, 3), fc=weights(5, 12), bias=weights(5),
        scale=weights(8), shift=weights(8), mean=weights(8), variance=np.abs(weights(8)),
    )  # fmt: skip
