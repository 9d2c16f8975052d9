"""The fields of a workload's file, their types and ranges, and the rules between them."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, model_validator

from penni_escalate.golden.entries import Strict
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import KINDS
from penni_escalate.golden.layers import LayerKind
from penni_escalate.golden.workloads.draw import Spread

#: Rows of a block at most, as in configs/accelerator.py.
ROWS_MAX = 16

_Size = Annotated[int, Field(ge=1, le=65536)]
_Text = Annotated[str, Field(min_length=1)]


class Rule(Strict):
    """A density of the layers whose names match a pattern, and where it is from; of several rules the last counts.

    Attributes:
        layers: a name, in which * stands for any characters.
        density: share that is not 0.
        source: a sentence: published, measured, or assumed and why.
    """

    layers: _Text
    density: Annotated[float, Field(ge=0, le=1)]
    source: _Text


def densities(rules: Iterable[Rule], names: Iterable[str], field: str, *, all_of_them: bool = True) -> dict[str, float]:
    """The density of each layer.

    Raises ValueError for a rule that no layer matches and, unless ``all_of_them`` is False, a layer without a rule.
    """
    known = list(names)
    found: dict[str, float] = {}
    for rule in rules:
        matching = [name for name in known if fnmatchcase(name, rule.layers)]
        if not matching:
            raise ValueError(f"field '{field}' has a density of layers '{rule.layers}': no layer has such a name")
        found |= dict.fromkeys(matching, rule.density)
    missing = [name for name in known if name not in found]
    if missing and all_of_them:
        raise ValueError(f"field '{field}' has no density of layer '{missing[0]}'")
    return found


class RivalsEntry(Strict):
    """Pruned weights of the rivals.

    Attributes:
        densities: weights that are left, at the accuracy of the compressed network.
        pruned: network in configs/workloads/pruned/ with weights that were pruned and measured; none where there is
            no such network.
    """

    densities: list[Rule]
    pruned: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_-]+$")] = None


class FitEntry(Strict):
    """Published totals that the coefficients' densities are fitted to.

    Attributes:
        operations: all of the compressed network, counted as PENNI does.
        classifier: those of the classifier.
        nonzeros: coefficients that are not 0; None where that was not published.
        source: where the totals were published.
    """

    operations: Annotated[int, Field(ge=1)]
    classifier: Annotated[int, Field(ge=0)]
    source: _Text
    nonzeros: Annotated[int | None, Field(ge=1)] = None


class LayerEntry(Strict):
    """A layer of a drawn network.

    Attributes:
        size: height and width of the input, in pixels.
        channels, kernels: input and output channels before shrinking.
        kernel: height and width of the kernel.
        padding: (kernel - 1) // 2 unless given.
        kept_channels, kept_kernels: channels that shrinking leaves; all unless given.
        kind: decomposed, first (dense, with a row a channel), pointwise or depthwise; unless given, decomposed where
            the kernel is larger than 1 x 1, else pointwise.
        basis: M of a decomposed layer, unless it is the network's.
        signed: the input codes have either sign.
        repeats: layers of the network that this one stands for.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
    size: Annotated[int, Field(ge=1, le=4095)]
    channels: _Size
    kernels: _Size
    kernel: Annotated[int, Field(ge=1, le=11)]
    stride: Annotated[int, Field(ge=1, le=11)] = 1
    padding: Annotated[int | None, Field(ge=0, le=10)] = None
    kept_channels: _Size | None = None
    kept_kernels: _Size | None = None
    kind: Annotated[LayerKind | None, Field(strict=False)] = None
    basis: Annotated[int | None, Field(ge=1, le=64)] = None
    signed: bool = False
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1

    @property
    def chosen_kind(self) -> LayerKind:
        """The kind that is given, or follows from the kernel."""
        if self.kind is not None:
            return self.kind
        return LayerKind.DECOMPOSED if self.kernel > 1 else LayerKind.POINTWISE

    def geometry(self, *, kept: bool) -> Geometry:
        """Before shrinking or, ``kept``, after it; raises ValueError where there is none."""
        channels, kernels = self.channels, self.kernels
        if kept:
            channels, kernels = self.kept_channels or channels, self.kept_kernels or kernels
        padding = (self.kernel - 1) // 2 if self.padding is None else self.padding
        return Geometry(channels, self.size, self.size, kernels, self.kernel, self.kernel, self.stride, padding)

    def check(self) -> None:
        """Raises ValueError where the layer does not fit."""
        for field, kept, all_of_them in (
            ("kept_channels", self.kept_channels, self.channels),
            ("kept_kernels", self.kept_kernels, self.kernels),
        ):
            if kept is not None and kept > all_of_them:
                raise ValueError(f"field '{field}' is {kept}: the layer has {all_of_them} before shrinking")
        if KINDS[self.chosen_kind].hands_on or KINDS[self.chosen_kind].logits:
            raise ValueError(f"field 'kind' is '{self.chosen_kind}': it must be a kind of convolution")
        if self.chosen_kind is LayerKind.POINTWISE and self.kernel != 1:
            raise ValueError(f"field 'kernel' is {self.kernel}: a pointwise layer has 1")
        if self.basis is not None and self.chosen_kind is not LayerKind.DECOMPOSED:
            raise ValueError(f"field 'basis' is {self.basis}: only a decomposed layer has basis kernels of its own")
        channels = self.kept_channels or self.channels
        if self.chosen_kind is LayerKind.DENSE and channels > ROWS_MAX:
            raise ValueError(
                f"field 'channels' is {channels}: a layer of kind first takes a row a channel, "
                f"and no accelerator has more than {ROWS_MAX}"
            )
        if self.chosen_kind is LayerKind.DEPTHWISE and self.channels != self.kernels:
            raise ValueError(
                f"field 'kernels' is {self.kernels}: a depthwise layer has one a channel ({self.channels})"
            )
        self.geometry(kept=False)
        self.geometry(kept=True)


class DrawnEntry(Strict):
    """File of a network whose coefficients and activations are drawn.

    Attributes:
        seed: of everything that is drawn.
        basis: M of the decomposed layers.
        coefficients: densities of T; with ``fit``, of some layers.
        fit: published totals that the densities of all others are fitted to; None where there are none.
        activations: densities of the layers' inputs.
        spread: how uneven the drawn numbers are.
    """

    title: _Text
    note: _Text
    drawn: Literal[True]
    seed: Annotated[int, Field(ge=0)]
    basis: Annotated[int, Field(ge=1, le=64)]
    activations: list[Rule]
    rivals: RivalsEntry
    layers: Annotated[list[LayerEntry], Field(min_length=1)]
    coefficients: tuple[Rule, ...] = Field(default=(), strict=False)
    fit: FitEntry | None = None
    spread: Spread = Spread()

    @property
    def counted(self) -> list[LayerEntry]:
        """The layers that count: all but depthwise ones."""
        return [layer for layer in self.layers if layer.chosen_kind is not LayerKind.DEPTHWISE]

    @property
    def ternary(self) -> dict[str, LayerEntry]:
        """Those of them that have ternary coefficients, by name."""
        return {layer.name: layer for layer in self.counted if layer.chosen_kind is not LayerKind.DENSE}

    @model_validator(mode="after")
    def _rules(self) -> "DrawnEntry":
        seen = set()
        for layer in self.layers:
            if layer.name in seen:
                raise ValueError(f"layer '{layer.name}' is there twice: names must differ")
            seen.add(layer.name)
            try:
                layer.check()
            except ValueError as error:
                raise ValueError(f"layer '{layer.name}': {error}") from None
            if self.fit is not None and layer.repeats > 1:
                raise ValueError(
                    f"layer '{layer.name}': field 'repeats' is {layer.repeats}: where totals are fitted, "
                    "every layer is listed"
                )
        if not self.counted:
            raise ValueError("field 'layers' has no layer that counts")
        names = [layer.name for layer in self.counted]
        given = densities(self.coefficients, self.ternary, "coefficients", all_of_them=self.fit is None)
        if self.fit is not None and len(given) == len(self.ternary):
            raise ValueError("field 'fit' has nothing to fit: field 'coefficients' gives every layer's density")
        densities(self.activations, names, "activations")
        densities(self.rivals.densities, names, "rivals.densities")
        return self


class MeasuredEntry(Strict):
    """File of a package whose own coefficients and activations are used.

    Attributes:
        package: its name in packages/, or the path of its folder.
        image: number of the held-out image whose activations are used.
        seed: of what is drawn beside the package: the rivals' weights, channels that shrinking removed.
        original_kernels: output channels before shrinking, by layer, where the package has fewer.
    """

    title: _Text
    note: _Text
    drawn: Literal[False]
    package: _Text
    image: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=0)]
    rivals: RivalsEntry
    original_kernels: dict[str, _Size] = Field(default_factory=dict)
    spread: Spread = Spread()
