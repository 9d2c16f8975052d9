"""penni-escalate regress, rerun: a suite of runs, or one of them again."""

import json
import shutil
import time
from dataclasses import asdict

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from penni_escalate.common.console import wide_console
from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BASE, BUILD, RESULTS, console_command, relative, stored
from penni_escalate.common.provenance import provenance
from penni_escalate.common.results import append_line, write_json
from penni_escalate.common.shared_folder import locked
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.versions import simulation_tools, tool_versions
from penni_escalate.common.workers import connect
from penni_escalate.tb.base.job import Variant, parse_job
from penni_escalate.tb.base.reporter import conclude, print_problem, print_results
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.base.simulator import check_simulator
from penni_escalate.tb.flows.code_coverage.judge import judge
from penni_escalate.tb.flows.coverage_json import update_coverage
from penni_escalate.tb.flows.regress.job_result import JobResult
from penni_escalate.tb.flows.regress.jobs import build_job, run_job
from penni_escalate.tb.flows.regress.kept import keep, measured
from penni_escalate.tb.flows.regress.runner import run_all
from penni_escalate.tb.flows.regress.store import Store, folder_of
from penni_escalate.tb.flows.regress.suite import jobs_of, load_suite
from penni_escalate.tb.flows.regress.summary import Origin, as_document, buckets_of, hits_of, write_junit

#: A line for each regression that came to its end: the report's trend.
HISTORY = RESULTS / "history.jsonl"


@click.command()
@click.option("--suite", default="smoke", show_default=True, help="smoke, nightly, soak, shapes or coverage.")
@click.option("--test", "pattern", default="*", show_default=True, help="Only tests of such names.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Of the first run of each test.")
@click.option("--seeds", type=click.IntRange(min=1), help="Runs of each test, in place of the suite's numbers.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Workers.")
@click.option("--scheduler", default="local", show_default=True, help="local, slurm, lsf, or a scheduler's address.")
def regress(suite: str, pattern: str, seed: int, seeds: int | None, jobs: int, scheduler: str) -> None:
    """Run a suite; one that was interrupted is taken up where it was."""
    begin = time.perf_counter()
    planned = jobs_of(load_suite(suite), seed, seeds, pattern)
    for simulator in {job.simulator for job in planned}:
        check_simulator(simulator)
    # Of before the runs, which read them as they are now.
    whole = pattern == "*" and seeds is None
    origin = Origin(suite, whole, sources_digest(Flow.REGRESS), provenance(), _tools())
    store = Store(folder_of(suite, planned))
    click.get_current_context().with_resource(store.alone())
    results = store.open(planned)
    console = wide_console()
    if results:
        console.print(f"{len(results)} of {len(planned)} runs are there already", highlight=False)
    resumed = len(results)
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, connect(scheduler, jobs) as client:
        task = progress.add_task(f"regression {suite}", total=len(planned), completed=resumed)

        def advance(result: JobResult) -> None:
            if not result.result.ok:
                progress.console.print(f"{result.result.verdict}: {result.job.name}", markup=False, highlight=False)
            progress.advance(task)

        waiting = [job for job in planned if job.name not in results]
        try:
            results |= run_all(client, waiting, store, advance)
        except KeyboardInterrupt:
            kept = sum(store.read(job) is not None for job in planned)
            raise UserError(
                f"Interrupted: {kept} of {len(planned)} results are kept in {relative(store.folder)}; start the same "
                "command again, which takes them up and runs the others."
            ) from None
    ordered = [results[job.name] for job in planned]
    hits = [hits_of(result) for result in ordered]
    document = as_document(origin, ordered, hits, time.perf_counter() - begin, resumed)
    update_coverage({entry["unit"]: {"functional": _figure(entry)} for entry in document["functional"]}, {})
    keep(RESULTS, store.folder.name, document)
    path = write_json(RESULTS / "regress.json", document)
    write_junit(ordered, RESULTS / "regress.xml")
    crashed = [result for result in ordered if result.result.verdict is Verdict.CRASHED]
    if not crashed:
        store.close()
    _remember(document)
    _print(console, ordered, document)
    console.print(f"results in {relative(path)}, regress.xml beside it", highlight=False)
    covered = {r.job.name: BASE / r.folder for r in ordered if r.job.variant is Variant.COVERAGE}
    goals_met = True
    if covered and pattern != "*":
        console.print("Code coverage is judged where all tests of a suite are run.", highlight=False)
    elif covered and not document["failed"]:
        # Each run once, whichever regressions it was in.
        covered = {run.run: run.folder for run in measured(RESULTS)} | covered
        goals_met = judge(list(covered.values()))
        folders = " ".join(dict.fromkeys(relative(folder.parent) for folder in covered.values()))
        console.print(
            f"What is missed: {console_command('coverage')} {folders} --holes all",
            highlight=False,
            soft_wrap=True,
        )
    if document["failed"] > len(crashed) or not goals_met:
        raise SystemExit(1)
    if crashed:
        raise UserError(
            f"{len(crashed)} of {len(ordered)} runs did not come to their end, {crashed[0].job.name} first: "
            f"see {crashed[0].folder}; the same regression, started again, repeats only those."
        )


@click.command()
@click.argument("name")
@click.option("--waves", is_flag=True, help="Record the signals.")
def rerun(name: str, waves: bool) -> None:
    """Run one run of a regression again, here."""
    job = parse_job(name)
    check_simulator(job.simulator)
    folder = BUILD / "rerun" / job.folder
    build_job(job, waves=waves)
    # Not the folder's own lock, which a run of replay drivers takes.
    with locked(folder.with_name(f"{folder.name}.rerun")):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        result = run_job(job, folder, waves=waves)
    console = wide_console()
    print_results(console, [result], (), lambda _: job.command)
    print(f"folder: {relative(folder)}")
    dumps = sorted(folder.glob("dump.*"))
    for dump in dumps:
        print(f"waves: {relative(dump)}")
    found = {
        "job": job.name,
        "folder": stored(folder),
        "waves": [stored(dump) for dump in dumps],
        "result": asdict(result),
        "tools": _tools(),
    }
    print(f"results in {relative(write_json(RESULTS / 'rerun.json', found))}")
    conclude([result], "runs", f"see {relative(folder)}")


def _tools() -> dict[str, str]:
    return simulation_tools() | tool_versions("pyuvm", "cocotb-bus", "distributed")


def _figure(entry: dict) -> dict:
    """A unit's functional coverage, as coverage.json has it."""
    holes = [name for name, count in entry["counts"].items() if not count]
    return {"covered": entry["hit"], "total": entry["total"], "holes": holes}


def _remember(document: dict) -> None:
    kept = ("whole", "suite", "sources", "seconds", "runs", "passed", "failed", "layers", "compared")
    line = document["made"] | {key: document[key] for key in kept}
    functional = document["functional"]
    line["functional"] = [sum(unit["hit"] for unit in functional), sum(unit["total"] for unit in functional)]
    append_line(HISTORY, json.dumps(line))


def _print(console: Console, results: list[JobResult], document: dict) -> None:
    table = Table("test", "runs", "passed", "comparisons", "functional coverage", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    covered = {unit["unit"]: f"{unit['hit']} of {unit['total']} bins" for unit in document["functional"]}
    for test in dict.fromkeys(result.job.test for result in results):
        mine = [result for result in results if result.job.test == test]
        passed = sum(result.result.ok for result in mine)
        compared = sum(result.result.compared for result in mine)
        table.add_row(test, str(len(mine)), str(passed), f"{compared:,}", covered.get(test.split(".")[0], "none"))
    console.print(table)
    for bucket in buckets_of(results):
        problem = "\n".join(bucket.problem.splitlines()[:4])
        print_problem(console, f"{len(bucket.runs)} failed in {bucket.signature}", problem, bucket.command)
        if bucket.repeated is False:
            console.print("It did not fail again when it was repeated, nor did any other of these.", highlight=False)
        if bucket.waves:
            console.print(f"waves: {bucket.waves}", markup=False, highlight=False)
    console.print(
        f"{document['passed']} of {document['runs']} runs passed, {document['layers']} layers of the stream core, "
        f"{document['compared']:,} comparisons, {document['seconds']:.0f} s",
        highlight=False,
    )
