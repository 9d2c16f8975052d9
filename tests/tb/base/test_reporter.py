"""A table of results keeps names whole, so that each can be found in its suite and repeated."""

import io
import itertools

import pytest
from rich.console import Console

from penni_escalate.tb.base.reporter import print_results
from penni_escalate.tb.base.result import Result, Verdict

RESULT = Result(
    unit="channel_accumulator",
    test="sum_of_products",
    config="shrunk_blocks32_channels64_look_ahead2_look_aside1_value_bits4",
    tool="smtbmc yices",
    verdict=Verdict.PASSED,
)


@pytest.mark.parametrize("width", [90, 132, 250])
def test_names_are_whole_at_every_width(width: int) -> None:
    out = io.StringIO()
    print_results(Console(file=out, width=width), [RESULT], [], lambda result: "")
    headings, *rows = out.getvalue().splitlines()
    starts = [headings.index(heading) for heading in ("test", "configuration", "tool", "verdict")]
    names = ["".join(row[start:end] for row in rows).split() for start, end in itertools.pairwise(starts)]
    assert ["".join(name) for name in names] == [RESULT.name, RESULT.config, RESULT.tool.replace(" ", "")]
