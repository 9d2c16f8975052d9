"""The unit benches notice faults: each deliberate fault in a unit's Verilog makes that unit's bench fail.

Faults in units that do not contain one another share a build and a simulator process.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from configs.accelerator import load_accelerator
from rtl.generator import render
from tb.lockstep.wrapper import UNITS, write_unit_bench
from tb.simulator import Simulator, build
from tb.unit_bench import run_units

CONFIG = "tb/lockstep/eight.yaml"
TRANSACTIONS = 300
#: What a bench says of a difference, an X, or a unit that no longer moves; an error in the bench reads otherwise.
NOTICED = re.compile(r"cycle \d+: (.*: expected .*, got |\w+ is [01XZ]*[XZ]|no transaction in)")


@dataclass(frozen=True)
class Fault:
    """Text of a unit's generated Verilog and what takes its place."""

    unit: str
    what: str
    old: str
    new: str


FAULTS = (
    Fault("fifo", "takes when full", "ready_o = !level[DEPTH_LOG]", "ready_o = 1'b1"),
    Fault("fifo", "missing reset", "            read_q  <= {(DEPTH_LOG + 1){1'b0}};\n", ""),
    Fault("gather_control", "wrong operator", "~places_2_1[1:0] | places_2_1", "~places_2_1[1:0] & places_2_1"),
    Fault("gather_control", "wrong run of lanes", "below_4[1:0] + ones_2_2", "below_4[1:0] + ones_2_1"),
    Fault("bit_gather", "wrong control bits for masks", "cross_1 = control_i[15:8]", "cross_1 = control_i[7:0]"),
    Fault("bit_gather", "wrong control bit for values", "control_i[16 + lane]", "control_i[8 + lane]"),
    Fault("dilution", "sign without a coefficient", "match & coefficient_sign_i", "map_i & coefficient_sign_i"),
    Fault("dilution", "other part of the mask", "part_i[0] ? packed_match", "!part_i[0] ? packed_match"),
    Fault("concentration", "look-ahead crosses a pixel", "visible_1 = visible_0 && !eop_q[0]", "visible_1 = visible_0"),
    Fault("concentration", "lost sign", "{head_signed && value_1[7], value_1}", "{1'b0, value_1}"),
    Fault("concentration", "dropped stall", "(!operand_valid_q || operand_ready_i)", "1'b1"),
    Fault("concentration", "retires beyond a pixel", "retire_0 && visible_1 &&", "retire_0 &&"),
    Fault("channel_accumulator", "sum kept over the pixel", "operand_eop_i ? 16'd0 : sum", "sum"),
    Fault("channel_accumulator", "dropped stall", "!operand_eop_i || z_ready_i", "1'b1"),
    Fault("row", "stale bank", "bank_q <= !bank_q", "bank_q <= bank_q"),
    Fault("row", "lost end of pixel", "beat_eop_i || (activation_mask", "(activation_mask"),
    Fault("input_ring", "room without the last row", " || level_2[2]", ""),
    Fault("input_ring", "missing reset", "read_1_q <= 3'd0", "read_1_q <= read_1_q"),
    Fault("basis_mac", "one column too many", "(tap_out_1 < {1'b0", "(tap_out_1 <= {1'b0"),
    Fault("basis_mac", "line after a pass", "{1'b0, line_q} + {1'b0, left[2:0]}", "{1'b0, line_q} + {1'b0, 3'd1}"),
    Fault("basis_mac", "exponents of the other pass", "exponent_q[target_parameters_q]", "exponent_q[fetch_bank_q]"),
    Fault("psum_lines", "no forwarding", "forward_0_q <= repeats_0", "forward_0_q <= 1'b0"),
    Fault("psum_lines", "lost wrap", "target_entry_i + {2'd0, wraps_0}", "target_entry_i"),
    Fault("psum_lines", "freed line keeps its psums", "rst_i || drain_free_i[2]", "rst_i"),
    Fault("block", "row fed from its neighbour's head", "(row_1_group)", "(row_0_group)"),
    Fault("block", "wrong counter", "3'd4: counter_q <= count_products_q", "3'd4: counter_q <= count_dropped_q"),
    Fault("feeder", "one beat too many", "count - 4'd1", "count"),
    Fault("feeder", "signedness of the other pass", "signed_q[bank_q]", "signed_q[0]"),
    Fault("requantize", "wrong rounding", "rounded = product_q + half", "rounded = product_q"),
    Fault("requantize", "lost sign of the psum", "{17{psum_i[31]}}", "{17{1'b0}}"),
    Fault("requantize", "logical shift", ">>> shift_q", ">> shift_q"),
    Fault("sparsemap_encoder", "takes while stalled", "if (advance && valid_i)", "if (valid_i)"),
    Fault("sparsemap_encoder", "settings of the next group", ".control_i (control_q)", ".control_i (control)"),
    Fault("collector", "frees while stalled", "(advance && final_part) ? freeing", "final_part ? freeing"),
    Fault("collector", "clamp of the other pass", "product_bank_q <= psum_bank_q", "product_bank_q <= bank_q"),
    Fault("collector", "lines do not wrap", "(line_q == 3'd4) ? 3'd0", "(line_q == 3'd5) ? 3'd0"),
)


@cache
def _contents() -> dict[str, frozenset[str]]:
    """Every unit that each unit consists of, itself included."""
    files = render(load_accelerator(CONFIG))
    direct = {
        unit: {other for other in UNITS if re.search(rf"^\s*{other}\s+(#\(|u_)", files[f"{unit}.v"], re.MULTILINE)}
        for unit in UNITS
    }

    def contents(unit: str) -> frozenset[str]:
        return frozenset({unit}).union(*(contents(other) for other in direct[unit]))

    return {unit: contents(unit) for unit in UNITS}


def _batches() -> list[list[Fault]]:
    """Faults that can be told apart in one design."""
    contents = _contents()
    batches: list[list[Fault]] = []
    for fault in FAULTS:
        for batch in batches:
            if all(o.unit not in contents[fault.unit] and fault.unit not in contents[o.unit] for o in batch):
                batch.append(fault)
                break
        else:
            batches.append([fault])
    return batches


def test_every_unit_has_a_fault() -> None:
    assert {fault.unit for fault in FAULTS} == set(UNITS)


@pytest.mark.parametrize("batch", _batches(), ids=lambda batch: "_".join(fault.unit for fault in batch))
def test_faults_are_noticed(batch: list[Fault], tmp_path: Path) -> None:
    config = load_accelerator(CONFIG)
    files = render(config)
    for fault in batch:
        text = files[f"{fault.unit}.v"]
        assert fault.old in text, f"{fault.unit}, {fault.what}: '{fault.old}' is not in the generated Verilog"
        files[f"{fault.unit}.v"] = text.replace(fault.old, fault.new, 1)
    units = [fault.unit for fault in batch]
    design = write_unit_bench(config, tmp_path / "rtl", units, files, builds=tmp_path / "sim")
    build(design, Simulator.ICARUS)
    results = run_units(design, Simulator.ICARUS, units, transactions=TRANSACTIONS, folder=tmp_path / "run")
    missed = [
        f"{fault.unit}, {fault.what}: {result.problem or 'passed'}"
        for fault, result in zip(batch, results, strict=True)
        if result.ok or not NOTICED.search(result.problem)
    ]
    assert not missed, "; ".join(missed)
