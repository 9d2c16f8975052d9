"""Records on disk: found again where nothing changed, not where something did."""

from dataclasses import replace
from pathlib import Path

import pytest

from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.evaluate.dse import store as store_module
from penni_escalate.evaluate.dse.model_only import changed
from penni_escalate.evaluate.dse.store import Record, Store, config_digest, workload_digest
from penni_escalate.golden.workloads.loading import FOLDER as WORKLOADS
from tests.evaluate.dse.records import counts

TINY = load_accelerator("tiny")
RECORD = Record("digits", 123, counts(5), 0.5)


def test_a_record_is_found_again(tmp_path: Path) -> None:
    assert Store(tmp_path).read(TINY, "digits") is None
    Store(tmp_path).write(TINY, RECORD)
    assert Store(tmp_path).read(TINY, "digits") == RECORD
    assert Store(tmp_path).read(replace(TINY, name="other"), "digits") == RECORD, "the name changes nothing"
    assert Store(tmp_path).read(replace(TINY, ring=4), "digits") is None
    assert Store(tmp_path).read(changed(TINY, {"dilution": False}), "digits") is None
    assert Store(tmp_path).read(TINY, "photo-10") is None


def test_half_a_record_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(TINY, RECORD)
    place = store.place(TINY, "digits")
    place.write_bytes(place.read_bytes()[:-20])
    assert store.read(TINY, "digits") is None


def test_other_sources_have_other_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).write(TINY, RECORD)
    monkeypatch.setattr(store_module, "sources_digest", lambda flow: "f" * 64)
    assert Store(tmp_path).read(TINY, "digits") is None


def test_a_workload_is_known_by_its_file_and_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.yaml"
    own.write_text((WORKLOADS / "vgg16-cifar.yaml").read_text())
    before = workload_digest(str(own))
    assert before == workload_digest("vgg16-cifar")
    own.write_text(own.read_text().replace("seed: ", "seed: 9"))
    assert workload_digest(str(own)) != before
    measured = workload_digest("digits")
    package = tmp_path / "digits"
    package.mkdir()
    (package / "manifest.json").write_text("{}")
    monkeypatch.setattr(store_module, "find_package", lambda name: package)
    assert workload_digest("digits") != measured


def test_configurations_are_known_by_their_fields() -> None:
    configs = [TINY, replace(TINY, ring=4), replace(TINY, z_bits=17), changed(TINY, {"dilution": False})]
    assert len({config_digest(config) for config in configs}) == 4
