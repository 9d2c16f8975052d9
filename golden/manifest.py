"""manifest.json: the whole of it, and the rules between its parts.

docs/package.md describes the format; its JSON schema is made from it by golden/schema.py.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from penni_escalate.common.shown import shown
from penni_escalate.golden.codes import code_range
from penni_escalate.golden.entries import ImagesEntry, InputEntry, LayerEntry, Name, Strict, TensorType
from penni_escalate.golden.geometry import Geometry, Padding
from penni_escalate.golden.kinds import KINDS
from penni_escalate.golden.layers import LayerKind

#: Versions of the format that are read; a later one has all that an earlier one has.
SCHEMA_VERSIONS = (2, 3)
#: Name of the network's input among the tensors.
INPUT = "input"


#: The versions that first have a padding of each side, maps of several channels, and several results.
SIDES_SINCE, MAPS_SINCE, RESULTS_SINCE = 3, 3, 3


def version_of(layers: Iterable[tuple[LayerKind, int | Padding]], maps: int = 1, results: int = 1) -> int:
    """The version of the format that a package with layers of these kinds and paddings has.

    It is the earliest one that has them, which most readers take.

    Args:
        maps: channels of the map that is the main result, 1 where it is none.
        results: number of the network's results.
    """
    parts = (max(KINDS[kind].since, _padding_since(padding)) for kind, padding in layers)
    return max(SCHEMA_VERSIONS[0], MAPS_SINCE if maps > 1 else 0, RESULTS_SINCE if results > 1 else 0, *parts)


def _padding_since(padding: int | Padding) -> int:
    return SCHEMA_VERSIONS[0] if isinstance(padding, int) else SIDES_SINCE


class Measure(StrEnum):
    """What a result's scores are."""

    #: Share of the images whose largest logit is at their label.
    ACCURACY = "accuracy"
    #: Mean over the images, and over the channels, of Pearson's correlation between the output map and the
    #: floating-point network's.
    CORRELATION = "correlation"


Scores = dict[Name, Annotated[float, Field(ge=-1, le=1)]]


class ResultEntry(Strict):
    """A result of the network, and what it scores."""

    layer: Annotated[Name, Field(description="That gives it.")]
    measure: Annotated[Measure, Field(strict=False, description="What the scores are.")]
    scores: Annotated[Scores, Field(description="Score on the held-out images after each step; 'integer' is required.")]


class Manifest(Strict):
    """manifest.json."""

    schema_version: Annotated[int, Field(description="Of this format.")]
    network: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]
    data: Annotated[str, Field(description="Data set, package and split the network was trained on.")]
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63, description="Of the compression run.")]
    recipe: Annotated[dict[str, Any], Field(description="Settings of the compression run.")]
    measure: Annotated[Measure, Field(strict=False, description="What the scores are.")]
    scores: Annotated[Scores, Field(description="Score on the held-out images after each step; 'integer' is required.")]
    result: Annotated[Name | None, Field(description="The layer that gives the main result; null: the last one.")] = (
        None
    )
    further_results: Annotated[
        tuple[ResultEntry, ...],
        Field(strict=False, min_length=1, description="The results behind the main one, in their order."),
    ] = ()
    input: InputEntry
    layers: Annotated[list[LayerEntry], Field(min_length=1)]
    images: ImagesEntry

    @model_validator(mode="before")
    @classmethod
    def _version(cls, fields: Any) -> Any:
        version = fields.get("schema_version", SCHEMA_VERSIONS[0]) if isinstance(fields, dict) else SCHEMA_VERSIONS[0]
        if version not in SCHEMA_VERSIONS:
            taken = " and ".join(map(str, SCHEMA_VERSIONS))
            raise ValueError(f"field 'schema_version' is {shown(version)}: this reader takes the versions {taken}")
        return fields

    @model_validator(mode="after")
    def _rules(self) -> "Manifest":
        for place, result in enumerate(self.results):
            where = f"result '{result.layer}': " if place else ""
            if "integer" not in result.scores:
                raise ValueError(f"{where}field 'scores.integer' is missing")
            if result.measure is Measure.ACCURACY:
                for step, value in result.scores.items():
                    if value < 0:
                        raise ValueError(f"{where}field 'scores.{step}' is {value}: an accuracy must be in 0..1")
        self._check_names()
        self.tensors()
        self._check_results()
        return self

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the fields of several results where there is one, which earlier readers do not know."""
        fields: dict[str, Any] = handler(self)
        if self.result is None:
            del fields["result"]
        if not self.further_results:
            del fields["further_results"]
        return fields

    @property
    def results(self) -> tuple[ResultEntry, ...]:
        """All results, the main one first."""
        main = self.result or self.layers[-1].name
        # Its fields have been validated, as this entry's would be.
        first = ResultEntry.model_construct(layer=main, measure=self.measure, scores=self.scores)
        return (first, *self.further_results)

    def tensors(self) -> dict[str, TensorType]:
        """Type of every tensor by name, ``input`` first.

        Raises ValueError, naming layer, field, value and rule, where a layer breaks a rule.
        """
        entry = self.input
        types = {
            INPUT: TensorType(
                entry.channels, entry.height, entry.width, entry.signed, entry.scale, *code_range(entry.signed)
            )
        }
        results = [result.layer for result in self.results]
        logits: set[str] = set()
        for layer in self.layers:
            try:
                if layer.name in types:
                    raise ValueError("field 'name' is used twice: names must differ, 'input' is the network's input")
                self._check_version(layer)
                KINDS[layer.kind].check(layer)
                _check_clamp(layer)
                _check_reads(layer, logits)
                types[layer.name] = output_type(layer, types)
                if KINDS[layer.kind].logits:
                    logits.add(layer.name)
                    if layer.name not in results:
                        raise ValueError(
                            f"field 'kind' is '{layer.kind}': only a result may be one, and the results are "
                            f"{_listed(results)}"
                        )
            except ValueError as error:
                raise ValueError(f"layer '{layer.name}': {error}") from None
        return types

    def _check_version(self, layer: LayerEntry) -> None:
        """Raises ValueError where a layer has something that only a later version of the format has."""
        for field, value, since in (
            ("kind", f"'{layer.kind}'", KINDS[layer.kind].since),
            ("padding", layer.padding if isinstance(layer.padding, int) else list(layer.padding),
             _padding_since(layer.padding)),
        ):  # fmt: skip
            if since > self.schema_version:
                raise ValueError(
                    f"field '{field}' is {value}: field 'schema_version' must be {since} then, and is "
                    f"{self.schema_version}"
                )

    def _check_names(self) -> None:
        """Raises ValueError where a result is of no layer, named twice, or of a later version."""
        for field, value in (("result", self.result), ("further_results", self.further_results)):
            if value and self.schema_version < RESULTS_SINCE:
                raise ValueError(
                    f"field '{field}' is given: field 'schema_version' must be {RESULTS_SINCE} then, and is "
                    f"{self.schema_version}"
                )
        names = {layer.name for layer in self.layers}
        seen: set[str] = set()
        for place, result in enumerate(self.results):
            field = f"further_results.{place - 1}.layer" if place else "result"
            if result.layer not in names:
                raise ValueError(f"field '{field}' is '{result.layer}': it must be a layer")
            if result.layer in seen:
                raise ValueError(f"field '{field}' is '{result.layer}': it is a result already, and is one once")
            seen.add(result.layer)

    def _check_results(self) -> None:
        """Raises ValueError where a result is not of the kind that its measure needs."""
        layers = {layer.name: layer for layer in self.layers}
        for result in self.results:
            layer = layers[result.layer]
            if (result.measure is Measure.ACCURACY) != KINDS[layer.kind].logits:
                asks = "a classifier" if result.measure is Measure.ACCURACY else "of another kind than classifier"
                raise ValueError(
                    f"layer '{layer.name}': field 'kind' is '{layer.kind}': a result whose field 'measure' is "
                    f"'{result.measure}' must be {asks}"
                )
            if result.measure is Measure.CORRELATION and layer.kernels > 1 and self.schema_version < MAPS_SINCE:
                raise ValueError(
                    f"layer '{layer.name}': field 'kernels' is {layer.kernels}: where field 'measure' is "
                    f"'correlation', field 'schema_version' must be {MAPS_SINCE} then, and is {self.schema_version}"
                )


def geometry_of(entry: LayerEntry) -> Geometry:
    """Geometry of a manifest entry; raises ValueError where it has no output."""
    kernel_height, kernel_width = KINDS[entry.kind].kernel(entry)
    return Geometry(
        channels=entry.channels,
        height=entry.height,
        width=entry.width,
        kernels=entry.kernels,
        kernel_height=kernel_height,
        kernel_width=kernel_width,
        stride=entry.stride,
        padding=entry.padding,
    )


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


def output_type(layer: LayerEntry, types: dict[str, TensorType]) -> TensorType:
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
    if KINDS[layer.kind].hands_on:
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


def _check_reads(layer: LayerEntry, logits: set[str]) -> None:
    """Raises ValueError where a layer reads one of these classifiers."""
    for field, names in (("sources", layer.sources), ("skip", [layer.skip])):
        for name in names:
            if name in logits:
                raise ValueError(f"field '{field}' holds '{name}': it is a classifier, whose logits no layer reads")


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
