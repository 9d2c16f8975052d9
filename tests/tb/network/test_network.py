"""`make sim` as a user meets it: the real network, its result file, and what bad input gets."""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError, run_command
from penni_escalate.common.paths import ROOT
from penni_escalate.configs.accelerator import as_fields, load_accelerator
from penni_escalate.golden.baselines import dense_baselines
from penni_escalate.golden.cycle.stream_core import CoreCounter
from penni_escalate.golden.fit import core_form
from penni_escalate.golden.functional import score, scores
from penni_escalate.golden.package import Package, find_package, read_package
from penni_escalate.golden.prediction import LayerRun, predict_network, predict_runs
from penni_escalate.golden.selection import select_images, select_layers
from penni_escalate.tb.network import command
from penni_escalate.tb.network import simulate as network_sim
from penni_escalate.tb.network.simulate import cannot_run
from tests.golden.random_layers import write_every_kind


def sim(results: Path, *arguments: str, timeout: int = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penni_escalate", "sim", "--results", str(results), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def convolutions(package: Package) -> list:
    """The layers that the stream core runs."""
    forms = [core_form(layer) for layer in package.layers]
    return [form for form in forms if not isinstance(form, str)]


def own_configuration(folder: Path, name: str, **changes: int) -> Path:
    """A file of tiny with some fields changed."""
    path = folder / f"{name}.yaml"
    fields = {**as_fields(load_accelerator("tiny")), "name": name, **changes}
    path.write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    return path


def test_every_layer_of_the_network_on_small_under_verilator(tmp_path: Path) -> None:
    """All layers with two real images: every value, cycle, counter, and the first image's z; the host has none."""
    result = sim(tmp_path, "--images", "2", "--seed", "3")
    assert result.returncode == 0, result.stdout + result.stderr
    document = json.loads((tmp_path / "sim.json").read_text())
    package = read_package(find_package("digits"))
    assert [layer["name"] for layer in document["layers"]] == [layer.name for layer in package.layers]
    assert document["mismatches"] == document["cycle_mismatches"] == document["golden_mismatches"] == 0
    for layer, entry in zip(convolutions(package), document["layers"], strict=True):
        g = layer.geometry
        assert entry["compared"] >= 2 * g.out_height * g.out_width * g.kernels
        assert entry["z_compared"] >= g.height * g.width * g.kernels * layer.rows_used
        assert entry["rtl_cycles"] == entry["golden_cycles"] >= entry["bound_cycles"] > 0
        assert entry["counters"]["products"] > 0
        assert list(entry["baselines"]) == [baseline.name for baseline in dense_baselines()]
    predicted = predict_network(package, load_accelerator("small"), convolutions(package), document["images"])
    assert [entry["rtl_cycles"] for entry in document["layers"]] == [layer.cycles for layer in predicted.layers]
    for field in ("network", "config", "simulator", "seed", "images", "compared", "score", "tools", "wall_seconds"):
        assert field in document
    assert document["cycles_per_second"] > 0
    assert document["images"] == list(select_images(package, 2, None, 3))
    assert document["measure"] == "accuracy"
    assert document["score"] == score(package, document["images"])
    assert document["host_fallback"] == []
    assert "Classification accuracy" in result.stdout
    assert "Host fallback" not in result.stdout


def test_one_layer_on_tiny_under_icarus(tmp_path: Path) -> None:
    result = sim(tmp_path, "--config", "tiny", "--sim", "icarus", "--layer", "conv1", "--image", "17")
    assert result.returncode == 0, result.stdout + result.stderr
    document = json.loads((tmp_path / "sim.json").read_text())
    assert document["images"] == [17]
    assert document["score"] is None
    assert document["host_fallback"] == []
    assert document["compared"] == 28 * 28 * 16
    assert "not measured" in result.stdout


@pytest.mark.parametrize(("measure", "several"), [("accuracy", False), ("correlation", True)])
def test_a_network_of_every_kind(tmp_path: Path, measure: str, several: bool) -> None:
    """Layers that the stream core does not run fall back to the host, each with a line; each result has its score."""
    package = write_every_kind(tmp_path / "every_kind", 1, measure, several=several)
    result = sim(tmp_path, "--net", str(package.folder), "--config", "tiny", "--sim", "icarus", "--images", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    document = json.loads((tmp_path / "sim.json").read_text())
    runs = [form.name for form in convolutions(package)]
    assert {"decomposed6", "max_pool5"} < set(runs)
    assert [layer["name"] for layer in document["layers"]] == runs
    left = document["host_fallback"]
    assert [layer["name"] for layer in left] == [layer.name for layer in package.layers if layer.name not in runs]
    assert left[0] == {
        "name": "max_pool3",
        "kind": "max_pool",
        "reason": "the stream core pools square windows, not 3 x 2",
    }
    for layer in left:
        assert f"Host fallback: {layer['name']} ({layer['kind']}): {layer['reason']}." in result.stdout
    assert document["measure"] == measure
    assert document["accuracy"] == (document["score"] if measure == "accuracy" else None)
    assert document["score"] == pytest.approx(score(package, document["images"]))
    found = {entry["layer"]: entry["score"] for entry in document["results"]}
    assert found == pytest.approx(scores(package, document["images"])) and len(found) == 1 + several
    assert ("Result 'decomposed6': mean correlation with" in result.stdout) == several


def test_a_difference_is_printed_with_what_repeats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is wrong in one output, one z and one counter of the second image; names are those that were typed."""
    package = write_every_kind(tmp_path / "my kinds", 1, "accuracy")
    configuration = own_configuration(tmp_path, "narrow")
    images = select_images(package, 2, None, 1)

    def wrong(package, config, layers, images, use):
        def change(run: LayerRun):
            if run.image == images[0]:
                run.clusters[0].trace.z[1, 2, 3] += 1
            else:
                run.clusters[0].trace.outputs[7, 2] ^= 1
                run.clusters[0].trace.core_counters[CoreCounter.BEATS] += 1
            return use(run)

        return predict_runs(package, config, layers, images, change)

    monkeypatch.setattr(network_sim, "predict_runs", wrong)
    names = ["--net", str(package.folder), "--config", str(configuration), "--sim", "icarus", "--images", "2"]
    names += ["--layer", "first0"]
    with pytest.raises(SystemExit) as ended:
        command.sim(["--results", str(tmp_path), *names], standalone_mode=False)
    assert ended.value.code == 1
    said = capsys.readouterr().out
    again = f"sim --net '{package.folder}' --config {configuration} --sim icarus --layer first0 --image "
    first, second = said.split("layer first0, image ")[1:]
    assert first.startswith(f"{images[0]} failed\nz at pass 0, block 1, row 2, input row 0, column 3: expected ")
    assert f"{again}{images[0]} --seed 1 --waves\n" in first
    assert second.startswith(f"{images[1]} failed\nvalue at row 1, column 1, channel 2: expected ")
    assert re.search(r"got \d+, cycle \d+\ncounter at beats: expected \d+, got \d+\n", second)
    assert f"{again}{images[1]} --seed 1 --waves\n" in second
    assert "The cycle model and the functional model differ in 1 outputs." in second
    assert "NOT equal" in second
    document = json.loads((tmp_path / "sim.json").read_text())
    assert (document["mismatches"], document["cycle_mismatches"], document["golden_mismatches"]) == (2, 1, 1)


def test_configurations_of_one_name_are_two(tmp_path: Path) -> None:
    """Both at once: neither takes the other's Verilog."""
    package = write_every_kind(tmp_path / "every_kind", 1, "accuracy")
    with ThreadPoolExecutor(2) as pool:
        runs = []
        for place, lookahead in (("x", 1), ("y", 2)):
            (tmp_path / place).mkdir()
            configuration = own_configuration(tmp_path / place, "same", lookahead=lookahead)
            names = ("--net", str(package.folder), "--config", str(configuration), "--sim", "icarus")
            runs.append(pool.submit(sim, tmp_path / place, *names, "--layer", "first0", "--images", "1"))
        for run in runs:
            result = run.result()
            assert result.returncode == 0, result.stdout + result.stderr


def test_two_runs_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """Both simulate in the same folder."""
    package = write_every_kind(tmp_path / "every_kind", 1, "accuracy")
    network = ("--net", str(package.folder), "--config", "tiny", "--sim", "icarus", "--layer", "first0")
    with ThreadPoolExecutor(3) as pool:
        numbers = range(3)
        runs = [pool.submit(sim, tmp_path / str(n), *network, "--image", str(n)) for n in numbers]
        for n, run in zip(numbers, runs, strict=True):
            result = run.result()
            assert result.returncode == 0, result.stdout + result.stderr
            document = json.loads((tmp_path / str(n) / "sim.json").read_text())
            assert document["images"] == [n] and document["compared"] > 0


def test_images_follow_from_the_seed() -> None:
    package = read_package(find_package("digits"))
    assert select_images(package, 5, None, 1) == select_images(package, 5, None, 1)
    assert select_images(package, 5, None, 1) != select_images(package, 5, None, 2)
    assert len(set(select_images(package, 1000, None, 1))) == 1000


def test_layers_can_be_chosen() -> None:
    package, config = read_package(find_package("digits")), load_accelerator("tiny")
    chosen, left = select_layers(package, config, "conv3")
    assert [layer.name for layer in chosen] == ["conv3"]
    assert left == ()
    chosen, left = select_layers(package, config, None)
    assert [layer.name for layer in chosen] == [layer.name for layer in package.layers]
    assert left == ()


def test_layers_that_the_bench_cannot_hold_fall_back_to_the_host() -> None:
    package, config = read_package(find_package("hed")), load_accelerator("small")
    chosen, left = select_layers(package, config, None, cannot_run)
    assert [layer.name for layer in chosen] == ["pool3", "pool4", "side3", "side5"]
    reasons = {layer.name: layer.reason for layer in left}
    # 32 passes over 10 x 15 pixels of 32 groups.
    assert reasons["block5_0"].startswith("153600 input groups and ")
    with pytest.raises(UserError, match="Layer 'block5_0' does not fit configuration 'small': 153600 input groups"):
        select_layers(package, config, "block5_0", cannot_run)


@pytest.fixture
def narrow(tmp_path: Path) -> Path:
    """A configuration that the network's layers do not fit."""
    return own_configuration(tmp_path, "narrow", kernel_max=2, rows=1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--net", "lenet"], "Network 'lenet' is not known: use one of digits"),
        (["--config", "huge"], "Configuration 'huge' is not known: use one of full, small, tiny"),
        (["--layer", "conv9"], "Layer 'conv9' is not a layer of network 'digits': use one of conv1, conv2"),
        (["--images", "0"], "--images is 0: it must be in 1..1000"),
        (["--images", "1001"], "--images is 1001: it must be in 1..1000"),
        (["--image", "1000"], "--image is 1000: it must be in 0..999"),
        (["--images", "many"], "Invalid value for '--images': 'many' is not a valid integer"),
        (["--sim", "vcs"], "Invalid value for '--sim': 'vcs' is not one of 'icarus', 'verilator'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--colour"], "No such option"),
        (["--results", ""], "Invalid value for '--results': it is empty, name a folder"),
        (["--results", "README.md"], "Invalid value for '--results': Directory 'README.md' is a file."),
        (["--config", "../configs/small"], "Configuration '../configs/small' is not known: use one of full, small, "),
        (
            ["--net", "hed", "--layer", "interpolate"],
            "Layer 'interpolate' does not fit configuration 'small': the stream core does not run kind upsample",
        ),
        (
            ["--config", "NARROW", "--layer", "conv1"],
            "Layer 'conv1' does not fit configuration 'narrow': kernel_height is 3, kernel_max allows 2.",
        ),
        (
            ["--config", "NARROW"],
            "No layer of network 'digits' can run on configuration 'narrow': layer 'conv1': kernel_height is 3, ",
        ),
    ],
)
def test_bad_input_gets_one_sentence_and_status_2(
    arguments: list[str],
    sentence: str,
    narrow: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As a program of its own it does the same: see the damaged package below."""
    typed = [str(narrow) if argument == "NARROW" else argument for argument in arguments]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["sim", "--results", str(tmp_path / "results"), *typed])
    with pytest.raises(SystemExit) as ended:
        run_command(command.sim)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err + said.out
    assert not (tmp_path / "results").exists()


def test_a_damaged_package_gets_one_sentence_and_status_2(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    shutil.copytree(ROOT / "packages" / "digits", folder)
    (folder / "conv2.npz").write_bytes(b"not an archive")
    result = sim(tmp_path, "--net", str(folder))
    assert result.returncode == 2
    assert "field 'sha256'" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("simulator", "there", "sentence"),
    [
        (
            "icarus",
            ("g++", "make"),
            "Icarus Verilog is not installed: install the package 'iverilog', or use --sim verilator.",
        ),
        ("verilator", ("make",), "g++ is not installed and Verilator needs it: install the package 'g++'."),
        ("verilator", ("g++",), "make is not installed and Verilator needs it: install the package 'make'."),
    ],
)
def test_a_missing_tool_gets_one_sentence_and_status_2(
    simulator: str, there: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    for tool in there:
        (tmp_path / tool).symlink_to(shutil.which(tool) or "/bin/false")
    result = subprocess.run(
        [sys.executable, "-m", "penni_escalate", "sim", "--sim", simulator],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(tmp_path)},
    )
    assert result.returncode == 2
    assert result.stderr == f"error: {sentence}\n"
