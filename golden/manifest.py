"""manifest.json: its fields, and the rules between them.

docs/package.md describes the format; its JSON schema is derived from ``Manifest``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from penni_escalate.golden.codes import code_range
from penni_escalate.golden.geometry import Geometry

SCHEMA_VERSION = 2


class LayerKind(StrEnum):
    """What a layer computes, and how its kernels are held."""

    #: K x K convolution: ternary coefficients, basis kernels shared by all output channels.
    DECOMPOSED = "decomposed"
    #: Convolution of few channels in its exact 8-bit form: row m takes channel m, the kernels are the basis.
    FIRST = "first"
    #: Output channel k convolves input channel k alone, with an 8-bit kernel.
    DEPTHWISE = "depthwise"
    #: 1 x 1 convolution or fully connected layer: ternary coefficients.
    POINTWISE = "pointwise"
    #: Largest code of a window.
    MAX_POOL = "max_pool"
    #: Bilinear enlargement by a power of two.
    UPSAMPLE = "upsample"
    #: Sum over all pixels, then 8-bit fully connected: gives the logits.
    CLASSIFIER = "classifier"


class Measure(StrEnum):
    """What a network's scores are."""

    #: Share of the images whose largest logit is at their label.
    ACCURACY = "accuracy"
    #: Mean over the images of Pearson's correlation between the output map and the floating-point network's.
    CORRELATION = "correlation"


#: Kinds with an accumulator: they requantize, and may add a skip tensor.
REQUANTIZED = (LayerKind.DECOMPOSED, LayerKind.FIRST, LayerKind.DEPTHWISE, LayerKind.POINTWISE)
#: Kinds that hand their source's codes on: no arrays, and the number format stays.
RESAMPLING = (LayerKind.MAX_POOL, LayerKind.UPSAMPLE)
#: Kinds in which output channel k comes from input channel k.
CHANNELWISE = (LayerKind.DEPTHWISE, *RESAMPLING)

#: The fields that a kind leaves no choice.
_FIXED: dict[LayerKind, dict[str, int]] = {
    LayerKind.DECOMPOSED: {},
    LayerKind.FIRST: {},
    LayerKind.DEPTHWISE: {"basis": 1},
    LayerKind.POINTWISE: {"kernel_height": 1, "kernel_width": 1, "padding": 0, "basis": 1},
    LayerKind.MAX_POOL: {"basis": 0},
    LayerKind.UPSAMPLE: {"kernel_height": 1, "kernel_width": 1, "stride": 1, "padding": 0, "basis": 0},
    LayerKind.CLASSIFIER: {"stride": 1, "padding": 0, "basis": 0},
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.npz$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]


class InputEntry(_Strict):
    """The network's input tensor."""

    height: Annotated[int, Field(ge=1, le=4095)]
    width: Annotated[int, Field(ge=1, le=4095)]
    channels: Annotated[int, Field(ge=1, le=65536)]
    signed: Annotated[bool, Field(description="Codes are -128..127 rather than 0..255.")]
    scale: Annotated[float, Field(gt=0, description="Real value of code 1.")]


class LayerEntry(_Strict):
    """One layer: geometry, number formats, and the file that holds its arrays."""

    name: Name
    kind: Annotated[LayerKind, Field(strict=False)]
    file: Annotated[FileName | None, Field(description="null where the kind has no arrays.")] = None
    sha256: Annotated[Sha256 | None, Field(description="null where the kind has no arrays.")] = None
    sources: Annotated[
        list[str],
        Field(min_length=1, description="'input' or earlier layers; their channels are concatenated in this order."),
    ]
    skip: Annotated[str | None, Field(description="Tensor of the output's shape, added into the accumulator.")] = None
    flatten: Annotated[bool, Field(description="The sources are read as one pixel: row, column, channel.")] = False
    channels: Annotated[int, Field(ge=1, le=65536, description="Input channels C.")]
    height: Annotated[int, Field(ge=1, le=4095, description="Input height.")]
    width: Annotated[int, Field(ge=1, le=4095, description="Input width.")]
    kernels: Annotated[int, Field(ge=1, le=65536, description="Output channels K.")]
    kernel_height: Annotated[int, Field(ge=1, le=64)] = 1
    kernel_width: Annotated[int, Field(ge=1, le=64)] = 1
    stride: Annotated[int, Field(ge=1, le=64)] = 1
    padding: Annotated[int, Field(ge=0, le=63)] = 0
    factor: Annotated[int, Field(ge=1, le=64, description="Enlargement of an upsample; 1 in other kinds.")] = 1
    basis: Annotated[int, Field(ge=0, le=64, description="Basis kernels M; 0 where the kind has none.")]
    signed: Annotated[bool, Field(description="The output codes are -128..127 rather than 0..255.")]
    low: Annotated[int, Field(ge=-128, le=255, description="Lower clamp of the output codes.")]
    high: Annotated[int, Field(ge=-128, le=255, description="Upper clamp of the output codes.")]
    scale: Annotated[float, Field(gt=0, description="Real value of output code 1.")]


class ImagesEntry(_Strict):
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


class Manifest(_Strict):
    """manifest.json."""

    schema_version: int
    network: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]
    data: Annotated[str, Field(description="Data set, package and split the network was trained on.")]
    seed: int
    recipe: Annotated[dict[str, Any], Field(description="Settings of the compression run.")]
    measure: Annotated[Measure, Field(strict=False, description="What the scores are.")]
    scores: Annotated[
        dict[str, Annotated[float, Field(ge=-1, le=1)]],
        Field(description="Score on the held-out images after each step; 'integer' is required."),
    ]
    input: InputEntry
    layers: Annotated[list[LayerEntry], Field(min_length=1)]
    images: ImagesEntry

    @model_validator(mode="before")
    @classmethod
    def _version(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and fields.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
            raise ValueError(
                f"field 'schema_version' is {fields['schema_version']!r}: this reader takes version {SCHEMA_VERSION}"
            )
        return fields

    @model_validator(mode="after")
    def _rules(self) -> "Manifest":
        if "integer" not in self.scores:
            raise ValueError("field 'scores.integer' is missing")
        if self.measure is Measure.ACCURACY:
            for step, value in self.scores.items():
                if value < 0:
                    raise ValueError(f"field 'scores.{step}' is {value}: an accuracy must be in 0..1")
        self.tensors()
        self._check_last()
        return self

    def tensors(self) -> dict[str, TensorType]:
        """Type of every tensor by name, ``input`` first.

        Raises ValueError, naming layer, field, value and rule, where a layer breaks a rule.
        """
        entry = self.input
        types = {
            "input": TensorType(
                entry.channels, entry.height, entry.width, entry.signed, entry.scale, *code_range(entry.signed)
            )
        }
        for layer in self.layers:
            try:
                if layer.name in types:
                    raise ValueError("field 'name' is used twice: names must differ, 'input' is the network's input")
                _check_fields(layer)
                types[layer.name] = _output_of(layer, types)
                if layer.kind is LayerKind.CLASSIFIER and layer is not self.layers[-1]:
                    raise ValueError("field 'kind' is 'classifier': only the last layer may be one")
            except ValueError as error:
                raise ValueError(f"layer '{layer.name}': {error}") from None
        return types

    def _check_last(self) -> None:
        last = self.layers[-1]
        if (self.measure is Measure.ACCURACY) != (last.kind is LayerKind.CLASSIFIER):
            asks = "a classifier" if self.measure is Measure.ACCURACY else "of another kind than classifier"
            raise ValueError(
                f"layer '{last.name}': field 'kind' is '{last.kind}': where field 'measure' is '{self.measure}', "
                f"the last layer must be {asks}"
            )
        if self.measure is Measure.CORRELATION and last.kernels != 1:
            raise ValueError(
                f"layer '{last.name}': field 'kernels' is {last.kernels}: where field 'measure' is 'correlation', "
                "the last layer must have 1, a map"
            )


def geometry_of(entry: LayerEntry) -> Geometry:
    """Geometry of a manifest entry; raises ValueError where it has no output. A classifier sees the whole image."""
    whole = entry.kind is LayerKind.CLASSIFIER
    return Geometry(
        channels=entry.channels,
        height=entry.height,
        width=entry.width,
        kernels=entry.kernels,
        kernel_height=entry.height if whole else entry.kernel_height,
        kernel_width=entry.width if whole else entry.kernel_width,
        stride=entry.stride,
        padding=entry.padding,
    )


def _check_fields(layer: LayerEntry) -> None:
    """The rules that concern one entry alone."""
    kind = f"{'an' if layer.kind is LayerKind.UPSAMPLE else 'a'} {layer.kind}"
    for field, needed in _FIXED[layer.kind].items():
        if getattr(layer, field) != needed:
            raise ValueError(f"field '{field}' is {getattr(layer, field)}: {kind}'s is {needed}")
    if layer.kind is LayerKind.DECOMPOSED and layer.basis < 1:
        raise ValueError(f"field 'basis' is {layer.basis}: {kind} layer needs at least one basis kernel")
    if layer.kind is LayerKind.FIRST and layer.basis != layer.channels:
        raise ValueError(f"field 'basis' is {layer.basis}: {kind} layer has one row a channel ({layer.channels})")
    if layer.kind in CHANNELWISE and layer.kernels != layer.channels:
        raise ValueError(f"field 'kernels' is {layer.kernels}: {kind} has as many as channels ({layer.channels})")
    if layer.kind is LayerKind.UPSAMPLE and layer.factor & (layer.factor - 1):
        raise ValueError(f"field 'factor' is {layer.factor}: it must be a power of two")
    if layer.kind is not LayerKind.UPSAMPLE and layer.factor != 1:
        raise ValueError(f"field 'factor' is {layer.factor}: {kind}'s is 1")
    if layer.skip is not None and layer.kind not in REQUANTIZED:
        raise ValueError(f"field 'skip' is '{layer.skip}': {kind} has no accumulator to add it into, use null")
    for field in ("file", "sha256"):
        value = getattr(layer, field)
        if layer.kind in RESAMPLING and value is not None:
            raise ValueError(f"field '{field}' is '{value}': {kind} has no arrays, use null")
        if layer.kind not in RESAMPLING and value is None:
            raise ValueError(f"field '{field}' is null: {kind} layer has arrays")
    _check_clamp(layer)


def _check_clamp(layer: LayerEntry) -> None:
    if layer.low > 0:
        raise ValueError(f"field 'low' is {layer.low}: it must not be above 0, the code of channels that pad a group")
    if layer.high < 0:
        raise ValueError(f"field 'high' is {layer.high}: it must not be below 0, the code of channels that pad a group")
    lowest, highest = code_range(layer.signed)
    for field in ("low", "high"):
        value = getattr(layer, field)
        if not lowest <= value <= highest:
            raise ValueError(
                f"field '{field}' is {value}: it must be in {lowest}..{highest}, the codes of a "
                f"{'signed' if layer.signed else 'unsigned'} tensor"
            )


def _output_of(layer: LayerEntry, types: dict[str, TensorType]) -> TensorType:
    """Type of a layer's output; ValueError where the layer does not go with the tensors it takes."""
    source = _input_of(layer, types)
    found, needed = (layer.channels, layer.height, layer.width), (source.channels, source.height, source.width)
    if found != needed:
        raise ValueError(
            f"fields 'channels, height, width' are {found}: its sources {_listed(layer.sources)} give {needed}"
            f"{' flattened' if layer.flatten else ''}"
        )
    geometry = geometry_of(layer)
    height, width = layer.factor * geometry.out_height, layer.factor * geometry.out_width
    if layer.skip is not None:
        _check_skip(layer.skip, (layer.kernels, height, width), types)
    if layer.kind in RESAMPLING:
        _check_format(layer, source)
    return TensorType(layer.kernels, height, width, layer.signed, layer.scale, layer.low, layer.high)


def _input_of(layer: LayerEntry, types: dict[str, TensorType]) -> TensorType:
    """The tensor that a layer works on: its sources concatenated, then flattened where it asks for it."""
    for name in layer.sources:
        if name not in types:
            raise ValueError(f"field 'sources' holds '{name}': it must be 'input' or an earlier layer")
    sources = [types[name] for name in layer.sources]
    first = sources[0]
    for name, other in zip(layer.sources[1:], sources[1:], strict=True):
        for field in ("height", "width", "signed", "scale"):
            ours, theirs = getattr(first, field), getattr(other, field)
            if ours != theirs:
                raise ValueError(
                    f"field 'sources' joins '{layer.sources[0]}' with {field} {_json(ours)} and '{name}' with {field} "
                    f"{_json(theirs)}: tensors that are concatenated must have the same"
                )
    channels = sum(source.channels for source in sources)
    pixels = first.height * first.width if layer.flatten else 1
    return TensorType(
        channels=channels * pixels,
        height=1 if layer.flatten else first.height,
        width=1 if layer.flatten else first.width,
        signed=first.signed,
        scale=first.scale,
        low=min(source.low for source in sources),
        high=max(source.high for source in sources),
    )


def _check_skip(skip: str, needed: tuple[int, int, int], types: dict[str, TensorType]) -> None:
    if skip not in types:
        raise ValueError(f"field 'skip' is '{skip}': it must be null, 'input' or an earlier layer")
    found = (types[skip].channels, types[skip].height, types[skip].width)
    if found != needed:
        raise ValueError(
            f"field 'skip' is '{skip}' with channels, height, width {found}: it must have the layer's output's {needed}"
        )


def _check_format(layer: LayerEntry, source: TensorType) -> None:
    """A layer that hands codes on keeps their format."""
    for field in ("signed", "scale"):
        value, needed = getattr(layer, field), getattr(source, field)
        if value != needed:
            raise ValueError(f"field '{field}' is {_json(value)}: the {layer.kind}'s source has {_json(needed)}")
    allowed = (code_range(source.signed), (source.low, source.high))
    if (layer.low, layer.high) not in allowed:
        choices = " or ".join(str(pair) for pair in dict.fromkeys(allowed))
        raise ValueError(
            f"fields 'low, high' are {(layer.low, layer.high)}: the {layer.kind} hands its source's codes on, "
            f"use {choices}"
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _json(value: bool | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
