"""docs/operators.md is the table of operators."""

from click.testing import CliRunner

from penni_escalate.common.paths import ROOT
from penni_escalate.compress.command import compress


def test_the_page_is_the_table() -> None:
    """`penni-escalate compress operators` prints it."""
    result = CliRunner().invoke(compress, ["operators"])
    assert result.exit_code == 0 and (ROOT / "docs" / "operators.md").read_text() == result.output
    assert all(row.count("|") == 4 for row in result.output.splitlines() if row.startswith("| Conv"))
