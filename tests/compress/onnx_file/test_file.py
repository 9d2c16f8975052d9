"""compress/onnx_file/file: one sentence for every file that is no network of images, whatever version it has."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper

from penni_escalate.common.errors import UserError
from penni_escalate.compress.equivalence import check_equivalence
from penni_escalate.compress.frontend import export, read_program
from penni_escalate.compress.graph import Activation, Role
from penni_escalate.compress.onnx_file import load_network
from penni_escalate.compress.onnx_file.file import OPSET, OnnxFile, read_onnx, weight_files
from penni_escalate.compress.onnx_file.operators import CALLS
from penni_escalate.compress.onnx_file.runtime import check_runtime
from penni_escalate.golden.geometry import Padding
from tests.compress.onnx_file.models import model, node, saved, small, weights

SHAPE = (4, 6, 8)


def beside(folder: Path) -> Path:
    """A file with its weights in another one."""
    path = folder / "mine.onnx"
    onnx.save(
        small(), path, save_as_external_data=True, all_tensors_to_one_file=True, location="mine.data", size_threshold=0
    )
    return path


def change(change_model: Callable[[ModelProto], None]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        made = small()
        change_model(made)
        saved(made, folder)

    return write


def cut(folder: Path) -> None:
    path = saved(small(), folder)
    path.write_bytes(path.read_bytes()[:-100])


def without_weights(folder: Path) -> None:
    beside(folder)
    (folder / "mine.data").unlink()


def with_short_weights(folder: Path) -> None:
    beside(folder)
    data = (folder / "mine.data").read_bytes()
    (folder / "mine.data").write_bytes(data[: len(data) // 2])


def second_input(made: ModelProto) -> None:
    made.graph.input.add().CopyFrom(helper.make_tensor_value_info("gate", TensorProto.FLOAT, [1]))


def lost_weight(made: ModelProto) -> None:
    del made.graph.initializer[0]


def short_weight(made: ModelProto) -> None:
    made.graph.initializer[0].raw_data = made.graph.initializer[0].raw_data[:-4]


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "none": (lambda folder: None, "cannot be read: No such file or directory"),
    "folder": (lambda folder: (folder / "mine.onnx").mkdir(), "cannot be read: "),
    "empty": (lambda folder: (folder / "mine.onnx").touch(), "is damaged, or no ONNX file: it has no operators"),
    "text": (lambda folder: (folder / "mine.onnx").write_text("not a network\n"), "is damaged, or no ONNX file"),
    "cut": (cut, "is damaged, or no ONNX file: export or copy it again"),
    "weights beside it are missing": (without_weights, "has weights in a file 'mine.data' that is not beside it"),
    "weights beside it are cut": (with_short_weights, "has weights in 'mine.data' that cannot be read"),
    "a weight is missing": (change(lost_weight), "is no valid ONNX file: "),
    "a weight is cut": (change(short_weight), "is damaged|is no valid ONNX file"),
    "two inputs": (change(second_input), r"has 2 inputs \('x', 'gate'\): it must have one, the image"),
    "no input": (change(lambda made: made.graph.input.pop()), "is no valid ONNX file: "),
    "whole numbers": (
        lambda folder: saved(model(node("Cast", "x", to=TensorProto.FLOAT), kind=TensorProto.UINT8), folder),
        "takes something else than floating-point numbers",
    ),
    "rows": (
        lambda folder: saved(model(node("Relu", "x"), image=("n", 4)), folder), "takes tensors of 2 dimensions"
    ),
    "no size": (
        lambda folder: saved(model(node("Relu", "x"), image=("n", 4, 0, 3)), folder), "takes images of no size"
    ),
    "newer than all": (
        change(lambda made: setattr(made.opset_import[0], "version", 999)), "has version 999 of ONNX's operators"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_network_of_images(case: str, tmp_path: Path) -> None:
    write, sentence = REFUSED[case]
    write(tmp_path)
    with pytest.raises(UserError, match=f"^Network 'mine' .*({sentence})") as found:
        load_network(tmp_path / "mine.onnx", "mine")
    assert "\n" not in str(found.value)


def channels_last(*between: NodeProto, **arrays: np.ndarray) -> ModelProto:
    """A network of images with the channels last, as exporters of TensorFlow write it."""
    last = between[-1].output[0] if between else "x"
    return model(
        *between,
        node("Transpose", last, gives="t", perm=[0, 3, 1, 2]),
        node("Conv", "t", "w", gives="a", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("AveragePool", "a", gives="b", auto_pad="SAME_UPPER", kernel_shape=[3, 3]),
        node("MaxPool", "b", gives="c", auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2]),
        node("Transpose", "c", gives="d", perm=[0, 2, 3, 1]),
        node("Shape", "x", gives="sides"), node("Slice", "sides", "zero", "one", gives="n"),
        node("Concat", "n", "rest", gives="row", axis=0), node("Reshape", "d", "row", gives="r"),
        node("MatMul", "r", "fc"),
        image=("n", 6, 8, 4), w=weights(8, 4, 3, 3), fc=weights(32, 5), zero=np.array([0]), one=np.array([1]),
        rest=np.array([-1]), **arrays,
    )  # fmt: skip


def test_images_with_the_channels_last(tmp_path: Path) -> None:
    """The network is that of images with the channels first; what else reads the image gets it as the file has it."""
    network = load_network(saved(channels_last(), tmp_path), "mine")
    assert network.shape == SHAPE
    assert [one.op_type for one in network_file(tmp_path).model.graph.node].count("Transpose") == 2
    check_runtime(network, SHAPE)
    _, graph = read_program(export(network, "mine", SHAPE))
    # Only its 4 x 3 pixels say in which order the fully connected layer has them.
    assert [layer.role for layer in graph.layers] == [
        Role.DENSE, Role.AVERAGE_INSIDE, Role.MAX_POOL, Role.CLASSIFIER
    ]  # fmt: skip
    assert graph.layers[2].margins == Padding(1, 1, 0, 1)


def network_file(folder: Path) -> OnnxFile:
    return read_onnx(folder / "mine.onnx", "mine")


def test_images_with_the_channels_last_are_turned_before_anything_else(tmp_path: Path) -> None:
    made = channels_last(node("Sub", "x", "mean", gives="m"), mean=weights(4))
    with pytest.raises(
        UserError, match=r"^Network 'mine' takes images with the channels last, and computes with them "
    ):
        load_network(saved(made, tmp_path), "mine")


def test_several_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is compared with what ONNX Runtime gives."""
    made = model(node("Conv", "x", "w", gives="z"), node("Relu", "z"), outputs=("z", "y"), w=weights(5, 4, 3, 3))
    program = export(load_network(saved(made, tmp_path), "mine"), "mine", SHAPE)
    _, graph = read_program(program)
    assert [layer.activation.value for layer in graph.result_layers] == ["linear", "relu"]
    check_equivalence(program, graph)
    monkeypatch.setitem(CALLS, "Relu", lambda call, x: torch.clamp(x, 0, 6))
    with pytest.raises(
        UserError, match=r"^Operator 'the/Relu/y' of network 'mine' does not give in ONNX Runtime what was read"
    ):
        check_equivalence(program, graph)


def test_weights_may_lie_beside_the_file(tmp_path: Path) -> None:
    network = load_network(beside(tmp_path), "mine")
    np.testing.assert_array_equal(network.get_parameter("w1").detach().numpy(), weights(8, 4, 3, 3))
    assert weight_files(tmp_path, "mine.onnx") == [Path("mine.data")]
    assert weight_files(tmp_path, "none.onnx") == []


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 20, 22])
def test_every_version_of_the_operators(opset: int, tmp_path: Path) -> None:
    """What is a setting in one version, and is read in another."""
    numbers = lambda *values: np.array(values, np.int64)  # noqa: E731
    old = opset < 13
    clip = node("Clip", "b", gives="c", min=0.0, max=6.0) if opset < 11 else node("Clip", "b", "low", "high", gives="c")
    pad = (
        node("Pad", "c", gives="d", pads=[0, 0, 1, 0, 0, 0, 0, 1])
        if opset < 11
        else node("Pad", "c", "pads", gives="d")
    )
    dropout = node("Dropout", "d", gives="e", ratio=0.3) if opset < 12 else node("Dropout", "d", "ratio", gives="e")
    mean = node("ReduceMean", "e", gives="f", axes=[2, 3]) if opset < 18 else node("ReduceMean", "e", "axes", gives="f")
    squeeze = node("Squeeze", "f", gives="g", axes=[2, 3]) if old else node("Squeeze", "f", "axes", gives="g")
    made = model(
        node("Conv", "x", "w", gives="a"),
        node("BatchNormalization", "a", "scale", "shift", "mean", "variance", gives="b"),
        clip, pad, dropout, mean, squeeze, node("Gemm", "g", "fc", "bias", transB=1),
        opset=opset, w=weights(6, 4, 3, 3), scale=weights(6), shift=weights(6), mean=weights(6),
        variance=np.abs(weights(6)), fc=weights(5, 6), bias=weights(5), low=np.float32(0), high=np.float32(6),
        pads=numbers(0, 0, 1, 0, 0, 0, 0, 1), ratio=np.float32(0.3), axes=numbers(2, 3),
    )  # fmt: skip
    file = read_onnx(saved(made, tmp_path), "mine")
    assert file.converted().opset_import[0].version == OPSET
    network = load_network(tmp_path / "mine.onnx", "mine")
    check_runtime(network, SHAPE)
    assert len(list(network.parameters())) == 5


def test_constants_are_read_however_they_are_written(tmp_path: Path) -> None:
    made = model(
        node("Constant", gives="w", value=onnx.numpy_helper.from_array(weights(6, 4, 3, 3))),
        node("Identity", "w", gives="same"),
        node("Conv", "x", "same", gives="a"),
        node("Constant", gives="low", value_float=0.0),
        node("Clip", "a", "low", gives="b"),
        node("Constant", gives="starts", value_ints=[0]),
        node("Constant", gives="ends", value_ints=[3]),
        node("Slice", "b", "starts", "ends", "axis", gives="c"),
        node("Constant", gives="scales", value_floats=[1.0, 1.0, 2.0, 2.0]),
        node("Resize", "c", "", "scales", gives="d"),
        node("Constant", gives="channel", value_int=1),
        node("Gather", "d", "channel", axis=1),
        axis=np.array([1], np.int64),
    )
    network = load_network(saved(made, tmp_path), "mine")
    assert [value.shape for value in network.parameters()] == [(6, 4, 3, 3)]
    check_runtime(network, SHAPE)


def test_a_fully_connected_layer_of_a_product_and_a_sum(tmp_path: Path) -> None:
    """As other frameworks than PyTorch write it: weight and bias are trained, and it is one layer."""
    made = model(
        node("GlobalAveragePool", "x", gives="p"), node("Flatten", "p", gives="r"),
        node("MatMul", "r", "w", gives="z"), node("Add", "b", "z", gives="s"), node("Relu", "s", gives="t"),
        node("Mul", "t", "half"), w=weights(4, 5), b=weights(5), half=np.float32(0.5),
    )  # fmt: skip
    network = load_network(saved(made, tmp_path), "mine")
    assert {name for name, _ in network.named_parameters()} == {"w", "b"}
    read, graph = read_program(export(network, "mine", SHAPE))
    assert [layer.role for layer in graph.layers[:2]] == [Role.AVERAGE_POOL, Role.POINTWISE]
    assert graph.layers[1].activation is Activation.RELU
    assert read.get_submodule(graph.layers[1].module).get_parameter("bias").requires_grad


def test_equal_weights_that_a_file_has_once_are_each_layers_own(tmp_path: Path) -> None:
    made = model(
        node("Conv", "x", "w", "b", gives="a", pads=[1, 1, 1, 1]),
        node("Identity", "b", gives="b2"),
        node("Conv", "a", "w", "b2", pads=[1, 1, 1, 1]),
        w=weights(4, 4, 3, 3), b=weights(4),
    )  # fmt: skip
    network = load_network(saved(made, tmp_path), "mine")
    assert len(list(network.parameters())) == 4
    check_runtime(network, SHAPE)


def test_a_function_of_the_file_is_its_operators(tmp_path: Path) -> None:
    made = small()
    function = helper.make_function(
        "own", "twice", ["i"], ["o"], [helper.make_node("Add", ["i", "i"], ["o"])], made.opset_import
    )
    made.functions.append(function)
    made.opset_import.add(domain="own", version=1)
    made.graph.node[0].input[0] = "doubled"
    made.graph.node.insert(0, helper.make_node("twice", ["x"], ["doubled"], domain="own"))
    network = load_network(saved(made, tmp_path), "mine")
    check_runtime(network, SHAPE)
