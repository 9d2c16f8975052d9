"""penni-escalate workloads: tables and workloads.json."""

import json
import re
from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.golden.workloads import load_workload, workload_names
from penni_escalate.golden.workloads.command import main
from penni_escalate.golden.workloads.tables import summarise, workloads_table


def test_the_layers_of_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--workload", "vgg16-cifar", "--results", str(tmp_path)], standalone_mode=False)
    printed = capsys.readouterr().out
    (found,) = json.loads((tmp_path / "workloads.json").read_text())["workloads"]
    assert found["drawn"] is True and found["nonzeros"] == 135_817 and found["coefficients"] == 1_263_775
    assert found["multiplications"] == 313_196_544 and found["kept_multiplications"] == 189_936_432
    assert found["rival_density"]["measured"] is None and abs(found["rival_density"]["U"] - 0.065) < 1e-3
    assert abs(found["rival_density"]["E"] - found["rival_density"]["U"]) < 1e-9
    assert [layer["name"] for layer in found["layers"]] == [f"conv{n}" for n in range(1, 14)]
    for text in ("(drawn)", "135,817", "32x32x55 > 64", "313.2", "rivals E", "are not measured"):
        assert text in printed


def test_a_row_each() -> None:
    """A measured and a drawn workload are told apart."""
    table = workloads_table([summarise(load_workload(name)) for name in ("digits", "vgg16-cifar")])
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["workload"] == ["digits", "vgg16-cifar"]
    assert columns["numbers"] == ["measured", "drawn"]
    assert columns["mult."] == ["21.8", "313.2"]
    assert columns["layers"] == ["7", "13"] and columns["left out"] == ["1", "0"]


def test_an_unknown_workload_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Workload 'lenet' is not known"):
        main(["--workload", "lenet", "--results", str(tmp_path)], standalone_mode=False)
    assert list(tmp_path.iterdir()) == []


#: Those that are made in a moment.
QUICK = ("digits", "digits-95", "photo-10", "alexnet", "resnet56-cifar", "vgg16-cifar")


def test_the_table_of_the_page() -> None:
    """docs/workloads.md lists every workload, with the numbers that the command prints."""
    page = (ROOT / "docs" / "workloads.md").read_text()
    pattern = (
        r"^\| `([\w-]+)` \| (measured|drawn) \| (\d+) \| ([\d.,]+)(?: \(.*\))? "
        r"\| ([\d,]+) \| ([\d.]+) % \| ([\d.]+) % \|$"
    )
    rows = re.findall(pattern, page, re.MULTILINE)
    assert [row[0] for row in rows] == workload_names()
    table = workloads_table([summarise(load_workload(name)) for name in QUICK])
    columns = {str(column.header): list(column.cells) for column in table.columns}
    chosen = ("workload", "numbers", "layers", "mult.", "non-zeros", "T", "a")
    printed = [tuple(str(cell).rstrip("%") for cell in row) for row in zip(*(columns[c] for c in chosen), strict=True)]
    assert sorted(row for row in rows if row[0] in QUICK) == sorted(printed)
