"""The parts of manifest.json: fields, types and ranges, one by one."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from penni_escalate.golden.geometry import Padding
from penni_escalate.golden.layers import LayerKind


class Strict(BaseModel):
    """Unknown fields and other types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: No longer than every file system takes, with what a file that is being written has behind its name.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.npz$", max_length=128)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
#: Largest height and width: those of the input, and of what each layer reads.
SIZE_MAX = 4095


#: Lines of padding at a side.
_PADDING_MAX = 63
_SIDE = {"type": "integer", "minimum": 0, "maximum": _PADDING_MAX}


def _padding(value: Any) -> int | Padding:
    sides = value if isinstance(value, list | tuple) else [value] * 4
    if len(sides) != 4 or not all(type(side) is int and 0 <= side <= _PADDING_MAX for side in sides):
        raise ValueError(f"it must be an integer in 0..{_PADDING_MAX}, or four: above, below, left and right")
    return Padding(*sides) if isinstance(value, list | tuple) else sides[0]


class InputEntry(Strict):
    """The network's input tensor."""

    height: Annotated[int, Field(ge=1, le=SIZE_MAX)]
    width: Annotated[int, Field(ge=1, le=SIZE_MAX)]
    channels: Annotated[int, Field(ge=1, le=65536)]
    signed: Annotated[bool, Field(description="Codes are -128..127 rather than 0..255.")]
    scale: Annotated[float, Field(gt=0, description="Real value of code 1.")]


class LayerEntry(Strict):
    """One layer: geometry, number formats, and the file that holds its arrays."""

    name: Name
    kind: Annotated[LayerKind, Field(strict=False)]
    file: Annotated[FileName | None, Field(description="null where the kind has no arrays.")] = None
    sha256: Annotated[Sha256 | None, Field(description="null where the kind has no arrays.")] = None
    sources: Annotated[
        list[Name],
        Field(min_length=1, description="'input' or earlier layers; their channels are concatenated in this order."),
    ]
    skip: Annotated[Name | None, Field(description="Tensor of the output's shape, added into the accumulator.")] = None
    flatten: Annotated[bool, Field(description="The sources are read as one pixel: row, column, channel.")] = False
    channels: Annotated[int, Field(ge=1, le=65536, description="Input channels C.")]
    height: Annotated[int, Field(ge=1, le=SIZE_MAX, description="Input height.")]
    width: Annotated[int, Field(ge=1, le=SIZE_MAX, description="Input width.")]
    kernels: Annotated[int, Field(ge=1, le=65536, description="Output channels K.")]
    kernel_height: Annotated[int, Field(ge=1, le=64)] = 1
    kernel_width: Annotated[int, Field(ge=1, le=64)] = 1
    stride: Annotated[int, Field(ge=1, le=64)] = 1
    padding: Annotated[
        int | Padding,
        Field(description="On all four sides; or above, below, left and right."),
        PlainValidator(_padding),
        PlainSerializer(lambda padding: padding if isinstance(padding, int) else list(padding)),
        WithJsonSchema({"anyOf": [_SIDE, {"type": "array", "items": _SIDE, "minItems": 4, "maxItems": 4}]}),
    ] = 0
    factor: Annotated[
        int, Field(ge=1, le=64, description="Enlargement of an upsample or upsample_nearest; 1 in other kinds.")
    ] = 1
    basis: Annotated[int, Field(ge=0, le=64, description="Basis kernels M; 0 where the kind has none.")]
    signed: Annotated[bool, Field(description="The output codes are -128..127 rather than 0..255.")]
    low: Annotated[int, Field(ge=-128, le=255, description="Lower clamp of the output codes.")]
    high: Annotated[int, Field(ge=-128, le=255, description="Upper clamp of the output codes.")]
    scale: Annotated[float, Field(gt=0, description="Real value of output code 1.")]


class ImagesEntry(Strict):
    """Held-out images, as input codes, with their labels or maps."""

    file: FileName
    sha256: Sha256
    count: Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class TensorType:
    """Shape and number format of a tensor.

    Attributes:
        signed: codes are -128..127 rather than 0..255.
        scale: real value of code 1.
        low, high: the codes that occur.
    """

    channels: int
    height: int
    width: int
    signed: bool
    scale: float
    low: int
    high: int
