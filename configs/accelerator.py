"""The accelerator's configuration: plain data and the rules it must obey.

It is the only thing that the generator and the golden model share; each derives its own widths
and counts from it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.validation import first_problem, read_fields

PRESET_FOLDER = Path(__file__).resolve().parent


def _size(low: int, high: int, meaning: str) -> object:
    return Field(ge=low, le=high, strict=True, description=meaning)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Accelerator:
    """One accelerator. Sizes are counts unless a unit is given; where not given they are those of preset small.

    What a field means is its description, which docs/architecture.md and the generated Verilog show.
    """

    #: Name of the preset; goes into file headers and reports.
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=32)]
    clusters: Annotated[int, _size(1, 8, "stream cores side by side, each with streams of its own")] = 1
    blocks: Annotated[int, _size(2, 256, "blocks of a cluster; output channels of a pass, or a multiple of them")] = 16
    rows: Annotated[int, _size(1, 16, "rows of a block; largest M")] = 6
    group: Annotated[int, _size(2, 64, "channels of a SparseMap group")] = 16
    lanes: Annotated[int, _size(1, 64, "packed codes of a beat")] = 8
    adders: Annotated[int, _size(1, 16, "adder lanes of a channel accumulator")] = 2
    lookahead: Annotated[int, _size(0, 7, "columns of the concentration window beyond the first")] = 2
    lookaside: Annotated[int, _size(0, 3, "how far an idle adder lane looks for a neighbour's value")] = 1
    ring: Annotated[int, _size(2, 64, "beats in a block's ring")] = 16
    z_fifo: Annotated[int, _size(2, 64, "z in a row's FIFO")] = 4
    taps: Annotated[int, _size(1, 8, "neighbouring output columns that the basis MAC adds into in a cycle")] = 1
    winograd: Annotated[
        int, _size(0, 1, "1: the basis MAC gives outputs of 3-wide kernels in pairs, by Winograd's F(2,3)")
    ] = 0
    psum_lines: Annotated[int, _size(2, 16, "output lines in flight")] = 6
    out_lanes: Annotated[int, _size(1, 64, "requantizations per cycle")] = 8
    load_words: Annotated[
        int, _size(1, 16, "neighbouring blocks that a transfer on the load port writes, a word each")
    ] = 2
    kernel_max: Annotated[int, _size(1, 11, "largest kernel height, kernel width and stride")] = 5
    width_max: Annotated[int, _size(4, 256, "largest input and output width, in pixels")] = 64
    channels_max: Annotated[int, _size(4, 4096, "largest number of input channels")] = 512
    z_bits: Annotated[int, _size(10, 24, "bits of z, sign included")] = 16

    @model_validator(mode="after")
    def _rules(self) -> "Accelerator":
        for field in ("group", "lanes", "adders", "ring", "z_fifo"):
            value = getattr(self, field)
            if value & (value - 1):
                raise ValueError(f"field '{field}' is {value}: it must be a power of two")
        for field, divisor in (
            ("group", "lanes"),
            ("lanes", "adders"),
            ("blocks", "out_lanes"),
            ("blocks", "load_words"),
            ("group", "out_lanes"),
            ("channels_max", "group"),
        ):
            value, unit = getattr(self, field), getattr(self, divisor)
            if value % unit:
                raise ValueError(f"field '{field}' is {value}: it must be a multiple of {divisor} ({unit})")
        if self.blocks % self.group and self.group % self.blocks:
            raise ValueError(
                f"field 'blocks' is {self.blocks}: it must be a multiple of group ({self.group}), or divide it"
            )
        if self.taps >= self.width_max:
            raise ValueError(f"field 'taps' is {self.taps}: it must be below width_max ({self.width_max})")
        for field, least in (("taps", 4), ("kernel_max", 4)):
            value = getattr(self, field)
            if self.winograd and value < least:
                raise ValueError(
                    f"field '{field}' is {value}: it must be at least {least} where winograd is 1, for a pair of "
                    "outputs takes four products and has four weights a kernel line"
                )
        if self.lookaside >= self.adders and self.lookaside:
            raise ValueError(
                f"field 'lookaside' is {self.lookaside}: it must be below adders ({self.adders}), "
                "a lane has no further neighbours"
            )
        return self

    @property
    def multipliers(self) -> int:
        """Of the basis MACs of all clusters."""
        return self.clusters * self.blocks * self.rows * self.taps


_ADAPTER = TypeAdapter(Accelerator)


def parse_accelerator(fields: object, where: str) -> Accelerator:
    """Validate a mapping of fields.

    Raises UserError with file or preset (``where``), field, value and rule.
    """
    try:
        return _ADAPTER.validate_python(fields)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None


def preset_names() -> list[str]:
    """The presets that ship with the project, smallest first."""
    loaded = [load_accelerator(path.stem) for path in PRESET_FOLDER.glob("*.yaml")]
    return [preset.name for preset in sorted(loaded, key=lambda preset: preset.multipliers)]


def load_accelerator(name_or_file: str) -> Accelerator:
    """A preset by its name, or a configuration from a YAML file.

    Raises UserError for an unknown preset, an unreadable file or a field that breaks a rule.
    """
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        presets = sorted(preset.stem for preset in PRESET_FOLDER.glob("*.yaml"))
        if name_or_file not in presets:
            raise UserError(
                f"Configuration '{name_or_file}' is not known: use one of {', '.join(presets)}, "
                "or the path of a .yaml file."
            )
        path = PRESET_FOLDER / f"{name_or_file}.yaml"
    fields = read_fields(path, f"Configuration {path}")
    return parse_accelerator({"name": path.stem, **fields}, f"Configuration {path.name}")


def as_fields(config: Accelerator) -> dict[str, int | str]:
    """The configuration as a mapping, in field order."""
    return asdict(config)


@cache
def meanings() -> Mapping[str, str]:
    """What each size means, in field order."""
    fields = _ADAPTER.json_schema()["properties"]
    return {name: field["description"] for name, field in fields.items() if "description" in field}
