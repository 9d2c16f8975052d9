"""Counts and energies by hand; the table that ships; bad tables."""

from dataclasses import replace
from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.golden.counts import COUNTED, AccessCounts
from penni_escalate.golden.energy import ENERGY_TABLE, energy_of, read_energy_table


def test_counts_add_field_by_field() -> None:
    first = AccessCounts(*range(1, len(COUNTED) + 1))
    second = AccessCounts(*(100 * number for number in range(len(COUNTED))))
    assert sum([first, second], AccessCounts()) == AccessCounts(*(1 + 101 * n for n in range(len(COUNTED))))


def test_energy_by_hand() -> None:
    """1,000 products at 0.2 pJ, 1,000 additions at 0.1, 50,000 register bits at 0.01, 20 buffer bytes at 4, 3 DRAM
    bytes at 200: 200 + 100 + 500 + 80 + 600 = 1,480 pJ, of which 880 on the chip. Then one of each field that is left:
    18/8 of a product 0.45, a 16-bit addition 0.05, a local byte 1.25, a network byte 0.16, together 1.91 pJ.
    """
    counts = AccessCounts(multiplications=1000, additions=1000, register_bits=50_000, buffer_bytes=20, dram_bytes=3)
    table = read_energy_table()
    found = energy_of(counts, table)
    assert list(found.picojoules) == list(COUNTED)
    assert found.picojoules["register_bits"] == pytest.approx(500)
    assert found.total == pytest.approx(1480)
    assert found.on_chip == pytest.approx(880)
    others = replace(counts, wide_multiplications=1, narrow_additions=1, local_bytes=1, network_bytes=1)
    assert energy_of(others, table).on_chip == pytest.approx(881.91)


def test_horowitz_figures() -> None:
    """Per 64 bits: 8 KB 10 pJ, 32 KB 20 pJ, 1 MB 100 pJ, DRAM 1.3 to 2.6 nJ; a buffer's byte lies between the
    caches'."""
    entries = read_energy_table().entries
    assert entries["local_bytes"].picojoules == 10 / 8
    assert 20 / 8 < entries["buffer_bytes"].picojoules < 100 / 8
    assert 1300 / 8 < entries["dram_bytes"].picojoules < 2600 / 8
    assert entries["wide_multiplications"].picojoules == pytest.approx(entries["multiplications"].picojoules * 18 / 8)
    assert all(len(entry.source) > 30 for entry in entries.values())


def test_the_page_has_the_table() -> None:
    page = (ROOT / "docs" / "baselines" / "README.md").read_text()
    for name, entry in read_energy_table().entries.items():
        assert f"| {name.replace('_', ' ')} | {entry.picojoules:g} | {entry.source} |\n" in page


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "picojoules: 0.2",
            "picojoules: -0.2",
            "field 'entries.multiplications.picojoules' is -0.2: Input should be gre",
        ),
        (
            "picojoules: 0.2",
            "picojoules: .nan",
            "field 'entries.multiplications.picojoules' is nan: Input should be a fi",
        ),
        ("  additions:", "  subtractions:", "entry 'subtractions' is not known: use multiplications, "),
        (
            '    source: "derived',
            '    because: "derived',
            "field 'entries.wide_multiplications.because' is not known, and field 'source' is missing",
        ),
        ("technology: 45 nm, 0.9 V\n", "", "field 'technology' is missing"),
        ("technology:", "year: 2014\ntechnology:", "field 'year' is not known"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    text = ENERGY_TABLE.read_text()
    assert old in text
    path = tmp_path / "energy.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=rf"^Table of energies '.*energy.yaml': {sentence}"):
        read_energy_table(path)


def test_a_table_without_an_entry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "energy.yaml"
    head, _, _ = ENERGY_TABLE.read_text().partition("  dram_bytes:")
    path.write_text(head)
    with pytest.raises(UserError, match="entry 'dram_bytes' is missing: give its picojoules and their source"):
        read_energy_table(path)


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^Table of energies '.*none.yaml' cannot be read: No such file or directory\.$"
    ):
        read_energy_table(tmp_path / "none.yaml")
