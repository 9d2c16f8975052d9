"""A simulation that did not come to its end says nothing of the design; a run's folders hold that run alone."""

import re
from pathlib import Path

import pytest

from penni_escalate.common.errors import run_command
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.programs import Icarus
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.base.simulator import Simulator, build, folder_name
from penni_escalate.tb.network import command
from penni_escalate.tb.network import simulate as network_sim
from penni_escalate.tb.stream_core.bench import BENCH
from tests.golden.random_layers import write_every_kind

TINY = load_accelerator("tiny")
#: What takes the simulator's place, and how its end is told.
ENDS = {
    "killed": ("echo first; echo its last words; kill -KILL $$", "ended by signal 9, Killed"),
    "gave up": ("echo first; echo its last words; exit 4", "exit status 4"),
}


@pytest.fixture
def network(tmp_path: Path) -> list[str]:
    """Options of `sim` for one layer of a small network."""
    package = write_every_kind(tmp_path / "network", 1, "accuracy")
    return ["--net", str(package.folder), "--config", "tiny", "--sim", "icarus", "--layer", "first0"]


@pytest.mark.parametrize("kind", ENDS)
def test_a_simulator_without_a_record_is_no_mismatch(
    kind: str, network: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script, how = ENDS[kind]
    monkeypatch.setattr(Icarus, "run", lambda *_: ["sh", "-c", script])
    monkeypatch.setattr("sys.argv", ["sim", *network, "--images", "1", "--results", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        run_command(command.sim)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.err.startswith(
        f"error: The simulation did not come to its end ({how}), which says nothing of the design: "
    )
    assert said.err.endswith("simulation.log, which ends with 'first | its last words'.\n")
    assert "expected" not in said.out and not (tmp_path / "sim.json").exists()


@pytest.mark.parametrize("function", ["random", "reset", "smoke"])
def test_a_run_of_a_regression_that_did_not_end_has_crashed(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever bench it is of; units: tests/tb/flows/test_regress.py."""
    test = next(test for test in BENCH.tests("stream_core") if test.function == function)
    job = Job(test.name, "tiny", Simulator.ICARUS, Variant.PLAIN, 1, 1)
    design = BENCH.design(job, test, TINY)
    build(design, job.simulator)
    monkeypatch.setattr(Icarus, "run", lambda *_: ["sh", "-c", ENDS["killed"][0]])
    result = BENCH.run(job, test, design, tmp_path / "run")
    assert result.verdict is Verdict.CRASHED
    assert result.problem.startswith("The simulation did not come to its end (ended by signal 9, Killed)")


def test_a_folder_holds_the_runs_of_the_last_call(
    network: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two images by two processes, then one by one."""
    monkeypatch.setattr(network_sim, "BUILD", tmp_path / "build")
    held: list[set[str]] = []
    for image in (["--images", "2"], ["--image", "1"]):
        command.sim([*network, *image, "--results", str(tmp_path)], standalone_mode=False)
        (folder,) = (tmp_path / "build" / "work").glob(f"every_kind_{folder_name(TINY)}_icarus_*")
        held.append({run.parent.name for run in folder.glob("*/*/output.txt")})
    assert [len(names) for names in held] == [2, 1]
    assert held[1] == {"000_first0_image1"}


def test_packages_of_one_name_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the waves of one would be gone with a run of the other."""
    monkeypatch.setattr(network_sim, "BUILD", tmp_path / "build")
    for name in ("one", "other"):
        package = write_every_kind(tmp_path / name, 1, "accuracy").folder
        options = ["--net", str(package), "--config", "tiny", "--sim", "icarus", "--layer", "first0", "--images", "1"]
        command.sim([*options, "--waves", "--results", str(tmp_path)], standalone_mode=False)
    shown = re.findall(r"\(waves: (\S+)\)", capsys.readouterr().out)
    assert len(set(shown)) == 2 and all(Path(path).is_file() for path in shown)
