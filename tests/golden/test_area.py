"""Area from the fit: sums worked by hand, sizes that agree with the generator's, rivals."""

import re
from dataclasses import replace
from functools import cache

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.golden.area.estimate import Fit, UnitFit, area_of, shipped_fit
from penni_escalate.golden.area.rivals import RIVALS, multipliers_in, rival_area, rival_memory_bits
from penni_escalate.golden.area.terms import UNIT_TERMS, Shape, instances_of, memory_bits_of
from penni_escalate.rtl.generator import TEMPLATES, render, render_template, render_text
from penni_escalate.rtl.names import module_name

TINY, SMALL, FULL = (load_accelerator(name) for name in ("tiny", "small", "full"))
#: What Yosys counts of the presets, in GE; docs/area.md has the same.
COUNTED = {"tiny": 179_094, "small": 1_863_234, "full": 17_225_916}
ODD = replace(TINY, width_max=16, taps=8, z_fifo=2, rows=3)


def fit_of_ones(elements: dict[str, float] | None = None) -> Fit:
    """Every coefficient 1."""
    shape = Shape(TINY)
    units = {unit: UnitFit(dict.fromkeys(terms(shape), 1.0), 1, 0.0, 0.0) for unit, terms in UNIT_TERMS.items()}
    return Fit("", "", 1, units, elements or {})


def test_an_area_by_hand() -> None:
    """tiny: a beat has 37 bits, a ring 8 of them, 6 rows read.

    The ring's terms: 8 * 37 = 296 bits stored, 7 * 37 * 6 = 1,554 inputs of multiplexers, 37 * 6 = 222 bits read,
    (3 + 1) * 6 = 24 bits of pointers, 8 words, 1: 2,105 in all, in each of 4 blocks.
    A row has 2 lanes and 1: 3, in 24 rows.
    Memory bits: rows 24 * (map and sign, 2 banks, 32 groups of 4 channels: 512) = 12,288; FIFOs 24 * 4 * 16 = 1,536;
    basis kernels 4 * (2 banks of 16 words, 9 being used, of 6 * 8 bits: 1,536) = 6,144; psums 4 * 4 lines * 32 * 32
    = 16,384; 36,352 in all.
    """
    area = area_of(TINY, fit_of_ones())
    assert (area.units["input_ring"].ge, area.units["input_ring"].instances) == (2105, 4)
    assert (area.units["row"].ge, area.units["row"].total_ge) == (3, 72)
    assert area.ge == sum(unit.ge * unit.instances for unit in area.units.values())
    assert area.memory_bits == 36_352
    assert area.multipliers == 24


@pytest.mark.parametrize("preset", COUNTED)
def test_the_shipped_fit_is_close_at_the_presets(preset: str) -> None:
    assert area_of(load_accelerator(preset)).ge == pytest.approx(COUNTED[preset], rel=0.05)


def test_the_shipped_fit_has_every_term() -> None:
    fit, shape = shipped_fit(), Shape(TINY)
    assert {unit: set(found.coefficients) for unit, found in fit.units.items()} == {
        unit: set(terms(shape)) for unit, terms in UNIT_TERMS.items()
    }
    assert all(value >= 0 for unit in fit.units.values() for value in unit.coefficients.values())
    assert fit.yosys and fit.command


@pytest.mark.parametrize(
    "changed",
    [
        {"adders": 4},
        {"adders": 4, "lookaside": 2},
        {"lookahead": 4},
        {"ring": 32},
        {"rows": 7},
        {"taps": 3},
        {"psum_lines": 9},
        {"z_bits": 20},
        {"lanes": 16},
        {"blocks": 32},
        {"width_max": 256},
        {"kernel_max": 11},
    ],
    ids=str,
)
def test_more_of_a_field_is_more_area(changed: dict[str, int]) -> None:
    assert area_of(replace(SMALL, **changed)).ge > area_of(SMALL).ge


@pytest.mark.parametrize("config", [TINY, SMALL, FULL, ODD], ids=lambda config: f"{config.name}{config.taps}")
def test_shapes_are_those_of_the_generator(config: Accelerator) -> None:
    shape = Shape(config)
    for name, number in {
        "w.beat_bits": shape.beat,
        "w.stages * c.group": shape.switched,
        "w.parts": shape.parts,
        "w.group_bits": shape.group_bits,
        "w.columns * c.lanes": shape.slots,
        "w.entries": shape.entries,
        "w.entry_bits": shape.entry_bits,
        "w.kernel_bits": shape.kernel_bits,
        "w.width_bits": shape.width_bits,
        "w.outputs_max": shape.outputs,
        "w.load_bits": shape.load,
    }.items():
        assert render_text(f"{{{{ {name} }}}}", config) == str(number), name


@pytest.mark.parametrize(("adders", "lookaside", "steps"), [(1, 0, 1), (4, 1, 3), (4, 2, 4), (4, 3, 4), (8, 3, 7)])
def test_steps_are_those_of_the_generator(adders: int, lookaside: int, steps: int) -> None:
    """Lane 0 of 4 reaches 0, 1, 3 in one step and 2 in the next; a third names nobody new."""
    config = replace(SMALL, adders=adders, lookaside=lookaside)
    assert Shape(config).steps == steps
    text = render_template(TEMPLATES, "concentration.v.j2", config)
    assert len(re.findall(r"^    // Step \d+: ", text, re.MULTILINE)) == steps


rendered = cache(render)


def instances_in_the_verilog(config: Accelerator) -> dict[str, int]:
    """How often each module is in the core, gather networks by the bits of a lane."""
    files = rendered(config)
    counts = {"stream_core": config.clusters}
    for unit in reversed(UNITS):
        for kind in [name for name in counts if name.split()[0] == unit]:
            text = files[f"{module_name(unit)}.v"]
            for inner, parameters in re.findall(r"^    esc_(\w+) (#\(.*?\) )?u_\w+ \(", text, re.MULTILINE | re.DOTALL):
                bits = re.search(r"\.LANE_BITS\s*\((\d+)\)", parameters)
                name = f"{inner} LANE_BITS={bits[1]}" if bits else inner
                counts[name] = counts.get(name, 0) + counts[kind]
    return counts


def memories_in_the_verilog(config: Accelerator) -> dict[str, int]:
    """Bits of arrays of more than two words, of one instance; the ring is flip-flops."""
    found: dict[str, int] = {}
    files = rendered(config)
    for unit in UNITS:
        if unit != "input_ring":
            text = files[f"{module_name(unit)}.v"]
            if unit == "fifo":
                text = text.replace("DEPTH-1", str(config.z_fifo - 1)).replace("WIDTH-1", str(config.z_bits - 1))
            for high, last in re.findall(r"^    reg +\[(\d+):0\] +\w+ \[0:(\d+)\];", text, re.MULTILINE):
                if int(last) > 1:
                    found[unit] = found.get(unit, 0) + (int(high) + 1) * (int(last) + 1)
    return found


@pytest.mark.parametrize("config", [TINY, SMALL, FULL, ODD], ids=lambda config: f"{config.name}{config.taps}")
def test_instances_and_memories_are_those_of_the_generator(config: Accelerator) -> None:
    assert instances_of(config) == instances_in_the_verilog(config)
    assert memory_bits_of(config) == memories_in_the_verilog(config)


def test_rivals_by_hand() -> None:
    """An SCNN element of 1,600 GE has 16 multipliers: 40 multipliers are two and a half elements, 4,000 GE.

    Eyeriss: 168 elements of 1,500 GE, with 168 * 0.5 KB = 84 KB = 688,128 bits.
    Into 4,000 GE go 2 dense elements of 1,500, and 40 multipliers of SCNN.
    """
    sketches = {element.sketch for element in RIVALS.values()}
    fit = fit_of_ones({**dict.fromkeys(sketches, 1500.0), "scnn_pe": 1600.0})
    assert rival_area("scnn", 40, fit) == 4000
    assert rival_area("eyeriss", 168, fit) == 252_000
    assert rival_memory_bits("eyeriss", 168) == 688_128
    assert rival_memory_bits("dense", 168) == 0
    assert (multipliers_in("dense", 4000, fit), multipliers_in("scnn", 4000, fit)) == (2, 40)


def test_every_rival_has_an_area() -> None:
    areas = {name: rival_area(name, 1152) for name in RIVALS}
    assert areas["dense"] == areas["eyeriss"] < areas["bit_tactical"] < areas["scnn"] < areas["sparten"]


@pytest.mark.parametrize("function", [rival_area, rival_memory_bits, multipliers_in])
def test_an_unknown_rival_is_a_user_error(function) -> None:
    with pytest.raises(UserError, match="Rival 'tpu' has no area: use one of dense, eyeriss, scnn, "):
        function("tpu", 16)
