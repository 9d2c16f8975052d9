"""The folder that is handed over: its list, README, FuseSoC core and bench do what they say."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator, as_fields, load_accelerator
from penni_escalate.rtl.hand_over import generate, ports
from penni_escalate.rtl.layout import WIDTH
from penni_escalate.rtl.names import file_name
from tests.rtl.test_generator import SHAPES

TINY = load_accelerator("tiny")
TOP = "esc_clusters"
#: As little as the rules allow: synthesised in seconds.
LEAST = Accelerator(
    name="least",
    blocks=2,
    rows=1,
    group=2,
    lanes=1,
    adders=1,
    lookahead=0,
    lookaside=0,
    ring=2,
    z_fifo=2,
    taps=1,
    psum_lines=2,
    out_lanes=1,
    load_words=1,
    kernel_max=1,
    width_max=4,
    channels_max=4,
    z_bits=10,
)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command where verilator, fusesoc and iverilog are on the path, as a user has them."""
    verilator = Path(sysconfig.get_paths()["purelib"]) / "verilator"
    path = os.pathsep.join((str(verilator / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    settings = {**os.environ, "VERILATOR_ROOT": str(verilator), "PATH": path}
    program = shutil.which(command[0], path=path) or command[0]
    return subprocess.run(
        [program, *command[1:]], cwd=folder, env=settings, capture_output=True, text=True, check=False, timeout=120
    )


def core(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    return run(["fusesoc", "--cores-root", str(folder), "run", "--target", target, TOP], folder)


def commands(readme: str, tool: str) -> list[str]:
    return [line.strip() for line in readme.splitlines() if line.startswith(f"    {tool} ")]


def test_the_readme_is_true(tmp_path: Path) -> None:
    """What it lists is there, and its commands do what it says; those of FuseSoC and Yosys have tests of their own."""
    folder, elsewhere = tmp_path / "verilog", tmp_path / "elsewhere"
    elsewhere.mkdir()
    generate(TINY, folder)
    readme = (folder / "esc_README.md").read_text()
    for entry in re.findall(r"^\| `([\w.*]+\.(?:v|sv|f|core))` \|", readme, flags=re.MULTILINE):
        assert list(folder.glob(entry)), entry
    values = dict(re.findall(r"^\| `([A-Z_]+)` \| (\d+) \| \w.* \|$", readme, flags=re.MULTILINE))
    assert values == {name.upper(): str(value) for name, value in as_fields(TINY).items() if name != "name"}
    listed = re.findall(r"^\| `(\w+_[io])` \| (input|output) \| (\d+) \| \S.* \|$", readme, flags=re.MULTILINE)
    assert ("load_data_i", "input", "126") in listed
    assert ("out_values_o", "output", "32") in listed
    header = (folder / file_name("clusters")).read_text().partition("\n);")[0]
    assert [name for name, _, _ in listed] == re.findall(r"^    (?:in|out)put .*?(\w+_[io])\b", header, re.MULTILINE)
    for command in (*commands(readme, "verilator"), *commands(readme, "iverilog"), *commands(readme, "vvp")):
        done = run(shlex.split(command.replace("DIR", str(folder))), elsewhere)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert "arning" not in done.stdout + done.stderr, f"{command}: {done.stdout}{done.stderr}"
    assert done.stdout.startswith("PASSED: 4 groups of 4 channels\n")


def test_a_moved_folder_renews_its_list_as_the_readme_says(tmp_path: Path) -> None:
    generate(TINY, tmp_path / "first")
    moved = (tmp_path / "first").rename(tmp_path / "second place")
    command = re.search(r"run in it: `(.*)`", (moved / "esc_README.md").read_text())
    assert command
    assert subprocess.run(["sh", "-c", command[1]], cwd=moved, check=True).returncode == 0
    assert (moved / f"{TOP}.f").read_text().splitlines()[0] == f"{moved}/{file_name('fifo')}"


def test_the_list_is_read_from_any_folder(tmp_path: Path) -> None:
    """Under a name with a blank too, but for Icarus, which cannot be told of it.

    Verilator's lint of the least configuration is clean as well.
    """
    for place in ("plain", "two words"):
        generate(LEAST, tmp_path / place, "my_")
        listing = str(tmp_path / place / "my_clusters.f")
        done = run(["verilator", "--lint-only", "-Wall", "-O0", "--top-module", "my_clusters", "-f", listing], tmp_path)
        assert done.returncode == 0, done.stderr
        assert "%" not in done.stdout + done.stderr
    done = run(
        [
            "iverilog",
            "-g2005",
            "-t",
            "null",
            "-s",
            "my_clusters",
            "-c",
            str(tmp_path / "plain" / "my_clusters.f"),
        ],
        Path("/"),
    )
    assert done.returncode == 0, done.stderr


def test_two_designs_in_a_folder_keep_their_own(tmp_path: Path) -> None:
    generate(TINY, tmp_path, "first_")
    before = {path.name: path.read_text() for path in tmp_path.glob("first_*")}
    (tmp_path / "README.md").write_text("mine\n")
    generate(LEAST, tmp_path, "second_")
    assert {path.name: path.read_text() for path in tmp_path.glob("first_*")} == before
    assert (tmp_path / "README.md").read_text() == "mine\n"
    assert len(list(tmp_path.glob("second_*"))) == len(before)


def test_ports_are_read_from_the_text() -> None:
    text = "// x\nmodule m (\n    input  wire clk_i,  // clock\n\n    output wire [7:0] out_o\n);\n"
    assert [(port.name, port.direction, port.bits, port.meaning) for port in ports(text)] == [
        ("clk_i", "input", 1, "clock"),
        ("out_o", "output", 8, ""),
    ]


def test_the_bench_passes_on_several_groups_a_pixel(tmp_path: Path) -> None:
    simulated = simulate(SHAPES["two_taps"], tmp_path)
    assert simulated.returncode == 0, simulated.stdout
    assert simulated.stdout.startswith("PASSED: ")


def simulate(config: Accelerator, folder: Path, old: str = "", new: str = "") -> subprocess.CompletedProcess[str]:
    """Run the bench; with ``old`` replaced by ``new`` in the one file that has it, once."""
    paths = generate(config, folder)
    texts = {path: path.read_text() for path in paths}
    assert not old or sum(text.count(old) for text in texts.values()) == 1
    for path, text in texts.items():
        path.write_text(text.replace(old, new) if old else text)
    files = [str(path) for path in paths]
    built = run(
        ["iverilog", "-g2012", "-s", f"{TOP}_bench", "-o", "b.vvp", *files, str(folder / f"{TOP}_bench.sv")], folder
    )
    assert built.returncode == 0, built.stderr
    return run(["vvp", "-n", "b.vvp"], folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rounded >>> shift_q", "rounded >>> (shift_q + 6'd1)", "FAILED: group 0, cluster 0, channel 0 is 6, not 13"),
        ("assign group_eop_o    = group_eop_q", "assign group_eop_o    = 1'b0", "FAILED: group 0 has eop 0"),
        ("assign group_valid_o  = group_valid_q", "assign group_valid_o  = 1'b0", "FAILED: 0 of 4 groups"),
        ("assign group_map_o    = group_map_q", "assign group_map_o    = ~group_map_q", "FAILED: group 0 has the map"),
    ],
)
def test_the_bench_fails_on_a_fault(old: str, new: str, said: str, tmp_path: Path) -> None:
    done = simulate(TINY, tmp_path, old, new)
    assert done.returncode == 1
    assert said in done.stdout


def test_fusesoc_lints_and_simulates(tmp_path: Path) -> None:
    generate(LEAST, tmp_path)
    lint = core(tmp_path, "lint")
    assert lint.returncode == 0, lint.stderr
    assert "%Warning" not in lint.stdout + lint.stderr
    simulated = core(tmp_path, "sim")
    assert simulated.returncode == 0, simulated.stderr
    assert "PASSED: 4 groups of 2 channels" in simulated.stdout + simulated.stderr


def test_fusesoc_says_what_fails(tmp_path: Path) -> None:
    """A warning of Verilator fails lint, a wrong value fails sim."""
    paths = generate(LEAST, tmp_path)
    requantize = tmp_path / file_name("requantize")
    assert requantize in paths
    text = requantize.read_text()
    requantize.write_text(text.replace("rounded >>> shift_q", "rounded >>> (shift_q + 6'd1)"))
    assert core(tmp_path, "sim").returncode != 0
    requantize.write_text(text.replace("endmodule", "    wire nothing = clk_i;\nendmodule"))
    assert core(tmp_path, "lint").returncode != 0


@pytest.fixture
def synthesis(tmp_path: Path) -> Path:
    """The folder that FuseSoC sets the target synth up in."""
    generate(LEAST, tmp_path)
    done = run(["fusesoc", "--cores-root", str(tmp_path), "run", "--setup", "--target", "synth", TOP], tmp_path)
    assert done.returncode == 0, done.stderr
    (script,) = tmp_path.rglob("edalize_yosys_procs.tcl")
    return script.parent


def test_fusesoc_sets_synthesis_up(synthesis: Path) -> None:
    text = (synthesis / "edalize_yosys_procs.tcl").read_text()
    assert f"set top {TOP}\n" in text
    assert text.count("synth_ecp5  -top $top\n") == 1
    assert re.findall(r"read_verilog \{.*/(\w+\.v)\}", text) == [file_name(unit) for unit in UNITS]


@pytest.mark.skipif(shutil.which("yosys") is None, reason="FuseSoC's Yosys reads Tcl, which that of a wheel does not")
def test_yosys_reads_what_fusesoc_set_up(synthesis: Path) -> None:
    """As far as word-wide cells: mapping even the smallest core to the FPGA takes a quarter of a minute."""
    for file in ("edalize_yosys_procs.tcl", "edalize_yosys_template.tcl"):
        text = (synthesis / file).read_text().replace("synth_ecp5  -top", "synth_ecp5 -run begin:map_ram -top")
        (synthesis / file).write_text(text.replace("write_json", "write_rtlil"))
    done = run(["yosys", "-q", "-p", "tcl edalize_yosys_template.tcl"], synthesis)
    assert done.returncode == 0, done.stdout + done.stderr
    (netlist,) = synthesis.glob("*.json")
    assert f"module \\{TOP}\n" in netlist.read_text()


def test_long_names_fit(tmp_path: Path) -> None:
    """Of a configuration in every file; of modules in the Verilog, but not in the README's commands."""
    config = replace(TINY, name="a" * 32)
    generate(config, tmp_path)
    generate(config, tmp_path, "p" * 32)
    files = [*tmp_path.glob("esc_*.md"), *tmp_path.glob("esc_*.core"), *tmp_path.glob("*.v"), *tmp_path.glob("*.sv")]
    assert len(files) == 38
    for path in files:
        assert max(map(len, path.read_text().splitlines())) <= WIDTH, path.name
