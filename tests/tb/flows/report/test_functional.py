"""Bins of a unit: all that there are, which tests hit them and should, what each test adds, crosses as matrices."""

from collections import Counter
from pathlib import Path

from penni_escalate.tb.base.coverage import Cross, load_model
from penni_escalate.tb.flows.report.functional import BinState, Functional, functional_of, rank
from penni_escalate.tb.flows.report.runs import Run, runs_of
from penni_escalate.tb.flows.report.site import write_site
from penni_escalate.tb.flows.testplan import read_testplan
from tests.tb.flows.report.made import all_hits, job, parsed, regression, write

ALL = load_model("fifo").all_bins()


def runs(*entries: dict) -> list[Run]:
    return runs_of([regression("smoke", list(entries))])


def fifo(*entries: dict, possible: tuple[str, ...] = ALL) -> Functional:
    return functional_of("fifo", read_testplan("fifo"), runs(*entries), possible)


def test_the_denominator_is_that_of_the_model_whatever_fails() -> None:
    whole = fifo(job("fifo.lockstep", "passed", 1, all_hits("fifo")))
    failed = fifo(job("fifo.lockstep", "failed", 1))
    none = fifo()
    assert (whole.hit, whole.total) == (len(ALL), len(ALL))
    assert (failed.hit, failed.total, failed.measured) == (0, len(ALL), True)
    assert (none.hit, none.total, none.measured) == (0, len(ALL), False)


def test_open_bins_are_told_from_those_that_need_another_configuration() -> None:
    hits = dict(all_hits("fifo")["fifo"])
    del hits["full/met"], hits["empty/met"]
    found = fifo(job("fifo.lockstep", "passed", 1, {"fifo": hits}), possible=tuple(set(ALL) - {"empty/met"}))
    states = {item.name: item.bins[0].state for item in found.items if item.name in ("full", "empty", "writer")}
    assert states == {"full": BinState.OPEN, "empty": BinState.ELSEWHERE, "writer": BinState.HIT}
    assert found.lacking == ("1 open", "1 in other configurations")
    assert {item.name for item in found.items[:2]} == {"empty", "full"}, "items with holes stand first"


def test_a_bin_says_which_tests_hit_it_and_which_should() -> None:
    """The tests of the testpoints that name its item."""
    found = functional_of(
        "stream_core",
        read_testplan("stream_core"),
        runs(
            job("stream_core.smoke", "passed", 1, {"stream_core": {"layer/decomposed": 2, "layer/dense": 1}}),
            job("stream_core.stalls", "passed", 1, {"stream_core": {"layer/decomposed": 5}}),
        ),
        load_model("stream_core").all_bins(),
    )
    items = {item.name: item for item in found.items}
    assert [(entry.name, entry.count, entry.letters) for entry in items["layer"].bins] == [
        ("decomposed", 7, "A B"),
        ("dense", 1, "A"),
    ]
    assert [(row.letter, row.test, row.adds) for row in found.ranking] == [
        ("A", "stream_core.smoke", 2),
        ("B", "stream_core.stalls", 0),
    ]
    assert items["reset"].wanted_from == ("stream_core.reset", "stream_core.reset_in_mid_pass")


def test_tests_are_ranked_by_what_they_add() -> None:
    """The largest is first; after it comes one that adds, before one that is larger and adds nothing."""
    hits = {
        "row.large": Counter("abcd"),
        "row.within": Counter("abc"),
        "row.small": Counter("xd"),
        "row.same": Counter("xd"),
    }
    made = [job(name, "passed", 1) | {"seconds": 9.0 if name == "row.same" else 1.0} for name in hits]
    rows = rank(hits, runs(*made))
    assert [(row.test, row.bins, row.adds, row.reached) for row in rows] == [
        ("row.large", 4, 4, 4),
        ("row.small", 2, 1, 5),
        ("row.within", 3, 0, 5),
        ("row.same", 2, 0, 5),
    ]


def test_a_cross_is_a_matrix_with_its_holes_first() -> None:
    cross = next(item for item in load_model("fifo").items if isinstance(item, Cross))
    model = load_model("fifo")
    hits = dict(all_hits("fifo")["fifo"])
    *_, last = model.bins(cross)
    del hits[f"{cross.name}/{' x '.join(last)}"]
    found = fifo(job("fifo.lockstep", "passed", 1, {"fifo": hits}))
    matrix = next(item.matrix for item in found.items if item.name == cross.name)
    assert matrix is not None
    assert (*matrix.heads, matrix.last) == cross.points
    assert matrix.rows[0][0] == last[:-1], "its row has the hole"
    cells = [cell for _, row in matrix.rows for cell in row]
    assert sum(not isinstance(cell, str) for cell in cells) == len(model.bins(cross))
    assert all(len(row) == len(matrix.columns) for _, row in matrix.rows)
    assert all(cell for cell in cells if isinstance(cell, str)), "what cannot be says why"


def test_the_page_of_bins(results: Path, tmp_path: Path) -> None:
    """Open bins, the tests that should hit them, and the testpoints, in one table; marked in the matrices by a sign."""
    hits = dict(all_hits("row")["row"])
    del hits["stalls at both ends/none x full"], hits["part/between"]
    write(results, "regress", regression("smoke", [job("row.lockstep", "passed", 1, {"row": hits})]))
    site = write_site(results, tmp_path / "site").parent
    page = (site / "row-bins.html").read_text()
    table = page.partition('id="open"')[2].partition("</table>")[0]
    assert "none x full" in table and 'href="row-runs.html#test-row.lockstep"' in table
    assert 'href="row.html#testpoint-stalls"' in table
    assert page.count("✗ 0</td>") == 1
    assert page.index('id="item-stalls-at-both-ends"') < page.index('id="item-coefficient-density-and-stalls"')
    assert '<a href="row-bins.html">' in (site / "index.html").read_text(), "one click from the index"
    assert "107 of 109" in parsed(site / "index.html").text
