"""From kept layers to the page: what is kept is not computed again, sums by hand, every file and bad input."""

import csv
import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.evaluate import command, store
from penni_escalate.evaluate.documents import document_of, geomeans, speedup_rows
from penni_escalate.evaluate.equal_area import budgets_at_area
from penni_escalate.evaluate.pages import write_page
from penni_escalate.evaluate.rivals import Terms
from penni_escalate.evaluate.store import LayerResult, evaluate_layer, evaluate_workloads
from penni_escalate.evaluate.summary import ImageSize, Network, geomean, network_of, speedups
from penni_escalate.golden.baselines import BASELINES, budget_of
from penni_escalate.golden.baselines.claims import Claim
from penni_escalate.golden.energy import energy_of, read_energy_table
from penni_escalate.golden.losses import Share
from penni_escalate.golden.workloads import PruningAssumption, load_workload
from tests.evaluate.small import small_workload

TINY = load_accelerator("tiny")
CLAIM = Claim("A paper", "speed-up", 2.0, 1.5, "x", "other layers")


@pytest.fixture
def source(tmp_path: Path) -> str:
    return small_workload(tmp_path)


@pytest.fixture
def network(source: str, tmp_path: Path) -> Network:
    workload = load_workload(source)
    at_area = {"scnn": replace(budget_of(TINY), multipliers=100)}
    layers = [evaluate_layer(TINY, at_area, source, name, tmp_path / f"{name}.json") for name in workload.names]
    return network_of(workload, layers, read_energy_table())


def test_what_is_kept_is_not_computed_again(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a.json"
    result = evaluate_layer(TINY, {}, source, "a", place)
    assert LayerResult.of_fields(json.loads(place.read_text())) == result
    monkeypatch.setattr(store, "run_layer", None)
    assert evaluate_layer(TINY, {}, source, "a", place) == result
    with pytest.raises(TypeError):
        evaluate_layer(TINY, {}, source, "b", tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


def test_sums_of_a_network(network: Network) -> None:
    """Layer b is there three times; a machine's cycles and energy are sums, a speed-up their ratio."""
    first, second = network.layers
    assert (first.repeats, second.repeats) == (1, 3)
    assert network.own.cycles == first.own.cycles + 3 * second.own.cycles
    key = Terms("sparten_gb_h", PruningAssumption.ERK).key
    machine = network.machine("sparten_gb_h")
    assert machine is not None
    assert machine.cycles == first.rivals[key].cycles + 3 * second.rivals[key].cycles
    assert machine.speedup == machine.cycles / network.own.cycles
    table = read_energy_table()
    energy = energy_of(first.rivals[key].counts, table).total + 3 * energy_of(second.rivals[key].counts, table).total
    assert machine.energy.total == pytest.approx(energy)
    # 9 x 9 outputs of 3 * 8 * 9 products; three times 5 x 5, for the stride is 2, of 8 * 4 * 9.
    assert network.dense_multiplications == 9 * 9 * 216 + 3 * 5 * 5 * 288
    assert network.size is ImageSize.SMALL
    assert network.assumption is PruningAssumption.ERK


def test_terms(network: Network) -> None:
    """Fewer channels make a rival faster, as do more multipliers; dense machines know no assumption."""
    (dense,) = {network.machine("ideal_dense", assumption=a).cycles for a in PruningAssumption}  # type: ignore[union-attr]
    narrow = network.machine("ideal_dense", original=False)
    assert narrow is not None and narrow.cycles < dense
    equal, larger = network.machine("scnn"), network.machine("scnn", equal_area=True)
    assert equal is not None and larger is not None and larger.cycles < equal.cycles
    assert network.machine("sparten", equal_area=True) is None
    assert network.machine("sparten", assumption=PruningAssumption.MEASURED) is None
    assert speedups([network], "sparten", assumption=PruningAssumption.MEASURED) == {}


def test_geometric_mean() -> None:
    assert geomean([1.0, 4.0, 2.0]) == pytest.approx(2)
    assert geomean([]) is None


def test_means_are_of_the_groups(network: Network) -> None:
    """A second network with half the cycles: everything is twice as fast there, the mean is in between."""
    own = replace(network.own, cycles=network.own.cycles // 2)
    machines = {key: replace(m, speedup=2 * m.speedup) for key, m in network.machines.items()}
    workload = replace(network.workload, name="other", drawn=False)
    other = replace(network, own=own, machines=machines, workload=workload, size=ImageSize.LARGE)
    means = geomeans([network, other])
    alone = network.machine("scnn")
    assert alone is not None
    assert means["all"]["scnn"] == pytest.approx(alone.speedup * 2**0.5)
    assert means["drawn"]["scnn"] == pytest.approx(alone.speedup)
    assert means["measured"]["scnn"] == means[ImageSize.LARGE.value]["scnn"] == pytest.approx(2 * alone.speedup)


def test_page_and_files(network: Network, tmp_path: Path) -> None:
    document = document_of([network], TINY, {"commit": "0123456789", "made": "2026-01-02 03:04 UTC"})
    page = write_page(tmp_path / "page", [network], [CLAIM], TINY, document)
    text = page.read_text()
    machine = network.machine("sparten_gb_h")
    assert machine is not None
    for shown in (f"{network.own.cycles:,}", f"{machine.speedup:.2f}", "0123456789", "small (drawn)", "other layers"):
        assert shown in text, shown
    assert text.count("<svg") == 6 + 1
    folder = page.parent
    rows = list(csv.DictReader(io.StringIO((folder / "speedup.csv").read_text())))
    first = next(row for row in rows if row["rival"] == "SparTen GB-H")
    assert float(first["mine"]) == pytest.approx(machine.speedup)
    assert len(rows) == len(speedup_rows([network]))
    assert f"| mine | drawn | small | 4 | {network.own.cycles:,} |" in (folder / "evaluate.md").read_text()
    kept = json.loads((folder / "evaluate.json").read_text())
    (entry,) = kept["networks"]
    wanted = [
        "name",
        "drawn",
        "config",
        "multipliers",
        "cycles",
        "bound",
        "utilisation",
        "losses",
        "speedup",
        "speedup_equal_area",
        "energy",
    ]
    assert set(wanted) <= set(entry)
    assert sum(entry["losses"].values()) == pytest.approx(1)
    assert set(entry["speedup"]) == {baseline.name for baseline in BASELINES}
    assert set(entry["energy"]) == {"escalate", *entry["speedup"]}
    (losses,) = csv.DictReader(io.StringIO((folder / "losses.csv").read_text()))
    assert losses.pop("network") == "mine"
    shown = {Share[name].value: float(part) for name, part in losses.items()}
    assert shown == pytest.approx({name: part for name, part in entry["losses"].items() if name in shown}, abs=1e-15)
    assert kept["geomeans"]["all"]["scnn"] == pytest.approx(entry["speedup"]["scnn"])


def test_every_baseline_but_the_ideal_one_has_an_area() -> None:
    """More area, more multipliers; dense ones are the smallest."""
    small, tiny = budgets_at_area(load_accelerator("small")), budgets_at_area(TINY)
    assert set(tiny) == {baseline.name for baseline in BASELINES} - {"ideal_two_sided"}
    assert all(small[name].multipliers > tiny[name].multipliers >= 1 for name in tiny)
    assert max(tiny, key=lambda name: tiny[name].multipliers) in ("ideal_dense", "tiled_dense", "eyeriss")


def _killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_one_sentence(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "evaluate_layer", _killed)
    with pytest.raises(UserError, match=r"was killed, perhaps for memory, after 0 of 2 layers: start the same"):
        evaluate_workloads(TINY, {}, [(source, load_workload(source))], tmp_path / "kept", 1, lambda: None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--workload", "lenet"], "Workload 'lenet' is not known"),
        (["--config", "huge"], "Configuration 'huge' is not known"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        command.main([*arguments, "--results", str(tmp_path)], standalone_mode=False)
    assert not list(tmp_path.iterdir())


def test_the_command(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, so that its claims need not be computed; the workers are real."""
    monkeypatch.setattr(command, "published_claims", lambda place: [CLAIM])
    monkeypatch.setattr(command, "BUILD", tmp_path / "build")
    arguments = ["--config", "tiny", "--workload", source, "--jobs", "1", "--results", str(tmp_path / "results")]
    command.main(arguments, standalone_mode=False)
    document = json.loads((tmp_path / "results" / "evaluate.json").read_text())
    assert [entry["name"] for entry in document["networks"]] == ["mine"]
    assert (tmp_path / "results" / "evaluate" / "index.html").is_file()
    assert "SparTen GB-H" in capsys.readouterr().out
