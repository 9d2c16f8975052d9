"""compress/onnx_file/operators: every operator computes what ONNX Runtime computes, however it is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from penni_escalate.compress.frontend import UnsupportedError, export, read_program
from penni_escalate.compress.onnx_file import load_network
from penni_escalate.compress.onnx_file.numbers import NUMBERS
from penni_escalate.compress.onnx_file.operators import CALLS
from penni_escalate.compress.onnx_file.runtime import check_runtime
from tests.compress.onnx_file.models import model, node, saved, weights

SHAPE = (4, 6, 8)
W = weights(6, 4, 3, 3)


def window(kind: str, **attributes: Any) -> ModelProto:
    return model(node(kind, "x", kernel_shape=[3, 3], **attributes))


def conv(weight: np.ndarray = W, bias: bool = True, **attributes: Any) -> ModelProto:
    if not bias:
        return model(node("Conv", "x", "w", **attributes), w=weight)
    return model(node("Conv", "x", "w", "b", **attributes), w=weight, b=weights(len(weight)))


def one(kind: str, *arrays: Any, **attributes: Any) -> ModelProto:
    """An operator of the image and these numbers."""
    given = {f"n{place}": array for place, array in enumerate(arrays) if array is not None}
    names = [f"n{place}" if array is not None else "" for place, array in enumerate(arrays)]
    return model(node(kind, "x", *names, **attributes), **given)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def floats(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def number(value: float) -> np.ndarray:
    return np.float32(value)


def positive(kind: str) -> ModelProto:
    """An operator of numbers from 0.5 to 1.5."""
    return model(
        node("Sigmoid", "x", gives="s"), node("Add", "s", "half", gives="p"), node(kind, "p"), half=number(0.5)
    )


def rows(*nodes: Any, **arrays: Any) -> ModelProto:
    """Of the average of each channel, ``r``."""
    first = (node("GlobalAveragePool", "x", gives="p"), node("Flatten", "p", gives="r"))
    return model(*first, *nodes, **arrays)


def computed_shape() -> ModelProto:
    """The channels of the image as a row, by numbers that are computed of its shape."""
    return model(
        node("Shape", "x", gives="s"),
        node("Gather", "s", "zero", gives="n"),
        node("Unsqueeze", "n", "axis", gives="n1"),
        node("Slice", "s", "from", "to", gives="rest"),
        node("Gather", "rest", "zero", gives="c"),
        node("Gather", "rest", "one", gives="h"),
        node("Gather", "rest", "two", gives="w"),
        node("Mul", "c", "h", gives="ch"),
        node("Mul", "ch", "w", gives="chw"),
        node("Add", "chw", "zero", gives="added"),
        node("Sub", "added", "zero", gives="less"),
        node("Div", "less", "one", gives="divided"),
        node("Neg", "divided", gives="negative"),
        node("Abs", "negative", gives="positive"),
        node("Cast", "positive", gives="real", to=TensorProto.FLOAT),
        node("Floor", "real", gives="low"),
        node("Ceil", "low", gives="high"),
        node("Cast", "high", gives="whole", to=TensorProto.INT64),
        node("Reshape", "whole", "flat", gives="size"),
        node("Squeeze", "size", gives="again"),
        node("Unsqueeze", "again", "axis", gives="size2"),
        node("Identity", "size2", gives="size3"),
        node("Equal", "size3", "minus", gives="same"),
        node("Where", "same", "flat", "size3", gives="size4"),
        node("Concat", "n1", "size4", gives="shape", axis=0),
        node("Transpose", "shape", gives="shape2"),
        node("Reshape", "x", "shape2"),
        zero=np.int64(0), one=np.int64(1), two=np.int64(2), axis=ints(0), to=ints(4), flat=ints(1), minus=ints(-7),
        **{"from": ints(1)},
    )  # fmt: skip


def by_range() -> ModelProto:
    """The channels in another order, which a range of numbers tells."""
    return model(
        node("Range", "start", "end", "step", gives="order"), node("Gather", "x", "order", axis=1),
        start=np.int64(3), end=np.int64(-1), step=np.int64(-1),
    )  # fmt: skip


def filled() -> ModelProto:
    """Channels of zeros before those of the image, of as many images as it has."""
    return model(
        node("Shape", "x", gives="s"),
        node("Slice", "s", "from", "to", gives="n"),
        node("Concat", "n", "sides", gives="shape", axis=0),
        node("ConstantOfShape", "shape", gives="zeros"),
        node("Concat", "zeros", "x", axis=1),
        to=ints(1), sides=ints(2, 6, 8), **{"from": ints(0)},
    )  # fmt: skip


def expanded() -> ModelProto:
    """An average, copied to a size that is joined of numbers."""
    return model(
        node("GlobalAveragePool", "x", gives="one"),
        node("Expand", "side", "count", gives="same"),
        node("Concat", "front", "same", gives="shape", axis=0),
        node("Expand", "one", "shape"),
        side=ints(3), count=ints(2), front=ints(1, 4),
    )  # fmt: skip


EQUAL: dict[str, Callable[[], ModelProto]] = {
    "conv": lambda: conv(pads=[1, 1, 1, 1]),
    "conv without bias": lambda: conv(bias=False),
    "conv, margins on one side": lambda: conv(pads=[0, 1, 2, 3], strides=[2, 1]),
    "conv, same upper": lambda: conv(auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv, same lower": lambda: conv(auto_pad="SAME_LOWER", strides=[2, 2]),
    "conv, valid": lambda: conv(auto_pad="VALID"),
    "conv, dilation": lambda: conv(pads=[2, 2, 2, 2], dilations=[2, 2]),
    "conv, groups": lambda: conv(weights(6, 2, 3, 3), group=2),
    "conv, half precision": lambda: model(
        node("Cast", "w16", gives="w", to=TensorProto.FLOAT), node("Conv", "x", "w"), w16=W.astype(np.float16)
    ),
    "norm": lambda: model(
        node("BatchNormalization", "x", "a", "b", "m", "v", epsilon=1e-3),
        a=weights(4), b=weights(4), m=weights(4), v=np.abs(weights(4)),
    ),
    "norm of a row": lambda: rows(
        node("BatchNormalization", "r", "a", "b", "m", "v"), a=weights(4), b=weights(4), m=weights(4),
        v=np.abs(weights(4)),
    ),
    "gemm": lambda: rows(node("Gemm", "r", "w", "b"), w=weights(4, 5), b=weights(5)),
    "gemm, transposed and scaled": lambda: rows(
        node("Gemm", "r", "w", "b", transB=1, alpha=0.5, beta=3.0), w=weights(5, 4), b=weights(1, 5)
    ),
    "gemm, one bias": lambda: rows(node("Gemm", "r", "w", "b"), w=weights(4, 5), b=number(0.7)),
    "gemm without bias": lambda: rows(node("Gemm", "r", "w"), w=weights(4, 5)),
    "matmul and add": lambda: rows(
        node("MatMul", "r", "w", gives="z"), node("Add", "z", "b"), w=weights(4, 5), b=weights(5)
    ),
    "matmul of a transposed weight": lambda: rows(
        node("Transpose", "w", gives="t"), node("MatMul", "r", "t"), w=weights(5, 4)
    ),
    "add": lambda: model(node("Add", "x", "x")),
    "add a constant": lambda: one("Add", weights(4, 1, 1)),
    "sub, from a number": lambda: model(node("Sub", "n", "x"), n=number(0.3)),
    "mul": lambda: one("Mul", number(0.3)),
    "div": lambda: one("Div", 1 + np.abs(weights(1, 4, 1, 1))),
    "pow": lambda: one("Pow", number(2)),
    "abs": lambda: one("Abs"),
    "neg": lambda: one("Neg"),
    "exp": lambda: positive("Exp"),
    "log": lambda: positive("Log"),
    "sqrt": lambda: positive("Sqrt"),
    "reciprocal": lambda: positive("Reciprocal"),
    "erf": lambda: one("Erf"),
    "relu": lambda: one("Relu"),
    "sum": lambda: model(node("Sum", "x", "n", "x"), n=number(2)),
    "mean": lambda: model(node("Mean", "x", "n", "x"), n=weights(4, 1, 1)),
    "clip": lambda: one("Clip", number(0), number(6)),
    "clip, no lower limit": lambda: one("Clip", None, number(6)),
    "clip, no limit": lambda: one("Clip", number(-3.4028235e38), number(3.4028235e38)),
    "max with a number": lambda: one("Max", number(0)),
    "min with a number": lambda: one("Min", number(6)),
    "softmax": lambda: rows(node("Softmax", "r")),
    "logsoftmax": lambda: one("LogSoftmax", axis=1),
    "dropout": lambda: one("Dropout", number(0.3)),
    "dropout, with its mask": lambda: model(node("Dropout", "x", gives="y,mask")),
    "max pool": lambda: window("MaxPool", strides=[2, 2], pads=[1, 1, 1, 1]),
    "max pool, rounded up": lambda: window("MaxPool", strides=[2, 2], ceil_mode=1),
    "max pool, no stride": lambda: window("MaxPool"),
    "max pool, margins on one side": lambda: window("MaxPool", strides=[2, 2], pads=[0, 1, 1, 0]),
    "max pool, wide margins": lambda: window("MaxPool", pads=[2, 2, 2, 2]),
    "max pool, same": lambda: window("MaxPool", strides=[2, 2], auto_pad="SAME_LOWER"),
    "average pool, same": lambda: window("AveragePool", auto_pad="SAME_UPPER", strides=[2, 2]),
    "average pool, margins on one side": lambda: window("AveragePool", pads=[0, 1, 1, 0], strides=[2, 2]),
    "average pool, rounded up": lambda: window("AveragePool", strides=[2, 2], ceil_mode=1),
    "average pool, rounded up with margins": lambda: window(
        "AveragePool", strides=[3, 3], pads=[1, 0, 0, 1], ceil_mode=1
    ),
    "average pool, rounded up to no window of a margin alone": lambda: window(
        "AveragePool", strides=[3, 3], pads=[0, 0, 2, 2], ceil_mode=1
    ),
    "average pool": lambda: window("AveragePool", strides=[2, 1]),
    "average pool, margin": lambda: window("AveragePool", pads=[1, 1, 1, 1]),
    "average pool, margin counted": lambda: window("AveragePool", pads=[1, 1, 1, 1], count_include_pad=1),
    "average pool, margin on one side": lambda: window("AveragePool", pads=[0, 0, 1, 2], count_include_pad=1),
    "global average": lambda: one("GlobalAveragePool"),
    "global maximum": lambda: one("GlobalMaxPool"),
    "reduce mean": lambda: one("ReduceMean", ints(2, 3), keepdims=0),
    "reduce mean of nothing": lambda: one("ReduceMean", noop_with_empty_axes=1),
    "reduce sum": lambda: one("ReduceSum", ints(-1)),
    "reduce max": lambda: one("ReduceMax", ints(2, 3), keepdims=0),
    "resize, linear": lambda: one("Resize", None, floats(1, 1, 2, 2), mode="linear"),
    "resize, sizes": lambda: one("Resize", None, None, ints(12, 24), mode="linear", axes=[2, 3]),
    "resize, nearest": lambda: one("Resize", None, floats(1, 1, 2, 4)),
    "resize, nearest by floor": lambda: one(
        "Resize", None, floats(1, 1, 3, 3), coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "resize, corners": lambda: one(
        "Resize", None, floats(1, 1, 2, 2), mode="linear", coordinate_transformation_mode="align_corners"
    ),
    "reshape": lambda: one("Reshape", ints(0, -1)),
    "flatten": lambda: one("Flatten"),
    "transpose": lambda: one("Transpose", perm=[0, 2, 3, 1]),
    "squeeze": lambda: model(node("GlobalAveragePool", "x", gives="p"), node("Squeeze", "p", "n"), n=ints(2, 3)),
    "unsqueeze": lambda: one("Unsqueeze", ints(1, -1)),
    "concat": lambda: model(node("Relu", "x", gives="r"), node("Concat", "x", "r", axis=1)),
    "split": lambda: model(
        node("Split", "x", gives="a,b,c", axis=2, num_outputs=3), node("Concat", "c", "a", "b", axis=2)
    ),
    "split by sizes": lambda: model(
        node("Split", "x", "n", gives="a,b", axis=1), node("Concat", "b", "a", axis=1), n=ints(1, 3)
    ),
    "slice": lambda: one("Slice", ints(1, 0), ints(-1, 1 << 62), ints(1, -1), ints(1, 2)),
    "slice, backwards": lambda: one("Slice", ints(-1), ints(-(1 << 62)), ints(1), ints(-1)),
    "gather": lambda: one("Gather", ints(2, 0, 0, 3), axis=1),
    "gather one": lambda: one("Gather", np.int64(2), axis=1),
    "tile": lambda: one("Tile", ints(1, 2, 1, 1)),
    "pad": lambda: one("Pad", ints(0, 1, 2, 0, 0, 0, 0, 3)),
    "pad, axes and a value": lambda: one("Pad", ints(1, 0), number(0.5), ints(3)),
    "pad by nothing": lambda: one("Pad", ints(*[0] * 8)),
    "cast": lambda: one("Cast", to=TensorProto.FLOAT),
    "identity": lambda: one("Identity"),
    "depth to space": lambda: one("DepthToSpace", blocksize=2),
    "depth to space, columns first": lambda: one("DepthToSpace", blocksize=2, mode="CRD"),
    "space to depth": lambda: one("SpaceToDepth", blocksize=2),
    "computed shape": computed_shape,
    "range": by_range,
    "channels of zeros": filled,
    "expand": expanded,
}  # fmt: skip


@pytest.mark.parametrize("case", EQUAL)
def test_an_operator_computes_what_onnx_runtime_computes(case: str, tmp_path: Path) -> None:
    check_runtime(load_network(saved(EQUAL[case](), tmp_path), "mine"), SHAPE)


def test_every_operator_is_compared() -> None:
    used = {one.op_type for case in EQUAL.values() for one in case().graph.node}
    assert (CALLS.keys() | NUMBERS.keys()) - used == set()


#: Operators that no layer is, and what the reader says of them.
REFUSED: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "leaky": (lambda: one("LeakyRelu"), "is a call of 'leaky_relu': use ReLU: a negative slope"),
    "unknown": (lambda: one("Trilu"), "is a call of 'Trilu': write it with the operators of the table"),
    "maximum": (lambda: model(node("Neg", "x", gives="n"), node("Max", "x", "n")), "is a call of 'maximum': use ReLU"),
    "minimum": (lambda: one("Min", weights(4, 1, 1)), "is a call of 'minimum': use ReLU6"),
    "training": (
        lambda: model(
            node("BatchNormalization", "x", "a", "b", "m", "v", gives="y,mean,variance", training_mode=1),
            a=weights(4), b=weights(4), m=weights(4), v=np.abs(weights(4)),
        ),
        "is a batch norm with the statistics of the batch: export the network in evaluation mode",
    ),
    "dropout in evaluation": (lambda: one("Dropout", number(0.3), np.True_), "is a dropout that evaluation has too"),
    "max pool, dilation": (lambda: window("MaxPool", dilations=[2, 2]), "is a max pooling with dilation"),
    "max pool, strides": (lambda: window("MaxPool", strides=[1, 2]), "has stride (1, 2)"),
    "average pool, dilation": (
        lambda: window("AveragePool", dilations=[2, 2]), "is an average pooling with dilation, or not of two sides"
    ),
    "maximum over channels": (lambda: one("ReduceMax", ints(1)), "is a maximum over channels or images"),
    "channels resized": (lambda: one("Resize", None, floats(1, 2, 1, 1)), "changes the size of something else"),
    "cubic": (
        lambda: one("Resize", None, floats(1, 1, 2, 2), mode="cubic"),
        "is a resize of mode 'cubic' with 'half_pixel' coordinates: enlarge by a whole factor",
    ),
    "reflected": (lambda: one("Pad", ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"), "pads by something else than zero"),
    "whole numbers": (
        lambda: model(node("Cast", "x", gives="i", to=TensorProto.INT32), node("Cast", "i", to=TensorProto.FLOAT)),
        "makes other than floating-point numbers of the image",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_operator_that_no_layer_is(case: str, tmp_path: Path) -> None:
    made, sentence = REFUSED[case]
    with pytest.raises(UnsupportedError) as found:
        read_program(export(load_network(saved(made(), tmp_path), "mine"), "mine", SHAPE))
    (problem,) = found.value.problems
    assert problem.name.startswith("the/") and problem.line == ""
    assert f"{problem.why}: {problem.instead}".startswith(sentence)


def test_all_operators_that_no_layer_is_are_listed_at_once(tmp_path: Path) -> None:
    made = model(
        node("LeakyRelu", "x", gives="a"), node("Conv", "a", "w", gives="b"), node("HardSwish", "b", gives="c"),
        node("Trilu", "c", gives="d"), node("MaxPool", "d", gives="e", kernel_shape=[2, 2], dilations=[2, 2]),
        node("Sigmoid", "e", gives="f"), node("Mul", "e", "f"), w=W,
    )  # fmt: skip
    with pytest.raises(UnsupportedError) as found:
        read_program(export(load_network(saved(made, tmp_path), "mine"), "mine", SHAPE))
    assert [problem.name for problem in found.value.problems] == [
        f"the/{name}" for name in ("LeakyRelu/a", "HardSwish/c", "Trilu/d", "MaxPool/e", "Sigmoid/f", "Mul/y")
    ]


def test_operators_of_others_are_listed_though_nothing_tells_their_shapes(tmp_path: Path) -> None:
    made = model(
        node("Fancy", "x", gives="a", domain="com.example"), node("Relu", "a", gives="b"),
        node("Fancier", "b", domain="com.example"),
    )  # fmt: skip
    made.graph.output[0].type.tensor_type.shape.SetInParent()
    with pytest.raises(UnsupportedError) as found:
        export(load_network(saved(made, tmp_path), "mine"), "mine", SHAPE)
    assert [problem.name for problem in found.value.problems] == ["the/Fancy/a", "the/Fancier/y"]
    assert [problem.why for problem in found.value.problems] == ["is a call of 'Fancy'", "is a call of 'Fancier'"]
