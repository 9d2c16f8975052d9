"""The picture of a failure: what differs, what was expected, registers, cycles."""

import re
from dataclasses import replace
from pathlib import Path

from penni_escalate.rtl.names import module_name
from penni_escalate.tb.base.result import Wanted
from penni_escalate.tb.flows.report.waves import wave_picture

VCD = """$timescale 1ps $end
$scope module unit_bench $end
$var wire 1 c clk $end
$var wire 1 ! fifo_valid_i $end
$var wire 16 # fifo_data_o [15:0] $end
$scope module u_fifo $end
$var reg 3 r read_q [2:0] $end
$var reg 3 s still_q [2:0] $end
$var wire 3 l level [2:0] $end
$scope module u_deeper $end
$var reg 3 d deeper_q [2:0] $end
$upscope $end
$upscope $end
$upscope $end
$enddefinitions $end
#0
0c
1!
b0 #
b0 r
b0 s
b0 l
b0 d
"""
CYCLES = "".join(f"#{10_000 * n}\nb{n + 256:b} #\nb{n % 8:b} r\n" for n in range(1, 31))


def picture(tmp_path: Path, check: str, wanted: tuple[Wanted, ...], cycles: str = CYCLES) -> tuple[str, str]:
    (tmp_path / "dump.vcd").write_text(VCD + cycles)
    plot = wave_picture(tmp_path / "dump.vcd", "fifo", "w", 200_000, check, wanted)
    assert plot is not None
    return plot.svg, plot.caption


def labels(svg: str) -> list[str]:
    return [text for text in re.findall(r">([^<>]+)</text>", svg) if re.search(r"_[ioq]\b", text)]


def test_what_differs_is_marked_and_what_was_expected_stands_below_it(tmp_path: Path) -> None:
    wanted = tuple(Wanted("data_o", 10_000 * (n + 1), 0xABC if n == 19 else n + 256) for n in range(16, 20))
    svg, caption = picture(tmp_path, "data_o", wanted)
    assert labels(svg)[::-1] == [
        "valid_i",
        "\N{BLACK RIGHT-POINTING TRIANGLE} data_o",
        "data_o expected",
        "read_q",
        "still_q",
    ], "of the unit alone; a register that changes before one that does not"
    assert ">abc</text>" in svg, "the value that the model gave"
    assert svg.count(">110</text>") == 2, "an expected value that is right, and what was there"
    assert "red and with an arrow: what differs; green: what the model gave" in caption
    assert "the end of cycle 19" in caption


def test_of_a_part_of_a_port_that_part_is_shown(tmp_path: Path) -> None:
    """A cluster's share of a port; bits that are unknown differ."""
    parts = [Wanted("data_o", 10_000 * (n + 1), (n + 256) >> 4 & 0xF, low=4, bits=4) for n in range(10, 20)]
    svg, _ = picture(tmp_path, "value", tuple(parts))
    assert labels(svg)[::-1][:3] == ["valid_i", "data_o[7:4]", "data_o[7:4] expected"], "nothing differs: no mark"
    parts[-1] = replace(parts[-1], value=9)
    svg, _ = picture(tmp_path, "value", tuple(parts))
    assert labels(svg)[::-1][1] == "\N{BLACK RIGHT-POINTING TRIANGLE} data_o[7:4]"
    unknown = CYCLES.replace(f"b{19 + 256:b} #", "b1000x0011 #")
    svg, _ = picture(tmp_path, "value", (*parts[:-1], replace(parts[-1], value=1)), unknown)
    assert labels(svg)[::-1][1] == "\N{BLACK RIGHT-POINTING TRIANGLE} data_o[7:4]"


def test_the_ports_of_a_core_that_is_the_top_are_found(tmp_path: Path) -> None:
    """As it is simulated under the pyuvm tests, and what was expected of an input stands below it too."""
    text = VCD.replace("unit_bench", module_name("stream_core")).replace("fifo_valid_i", "in_last_i")
    (tmp_path / "dump.vcd").write_text(text.replace("fifo_data_o", "out_map_o") + CYCLES)
    wanted = (Wanted("out_map_o", 200_000, 5), Wanted("in_last_i", 200_000, 0))
    plot = wave_picture(tmp_path / "dump.vcd", "stream_core", "w", 200_000, "value", wanted)
    assert plot is not None
    mark = "\N{BLACK RIGHT-POINTING TRIANGLE} "
    assert labels(plot.svg)[::-1] == [
        f"{mark}in_last_i",
        "in_last_i expected",
        f"{mark}out_map_o",
        "out_map_o expected",
    ]


def test_without_a_port_that_differs_nothing_is_marked(tmp_path: Path) -> None:
    svg, caption = picture(tmp_path, "lacking", ())
    assert "\N{BLACK RIGHT-POINTING TRIANGLE}" not in svg
    assert "expected" not in svg
    assert "arrow" not in caption and "green" not in caption
