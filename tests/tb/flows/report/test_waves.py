"""The picture of a failure: what differs, what was expected, registers, cycles."""

import re
from pathlib import Path

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


def picture(tmp_path: Path, check: str, wanted: tuple[Wanted, ...]) -> tuple[str, str]:
    (tmp_path / "dump.vcd").write_text(VCD + CYCLES)
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


def test_without_a_port_that_differs_nothing_is_marked(tmp_path: Path) -> None:
    svg, caption = picture(tmp_path, "lacking", ())
    assert "\N{BLACK RIGHT-POINTING TRIANGLE}" not in svg
    assert "expected" not in svg
    assert "arrow" not in caption and "green" not in caption
