"""Measuring and training of points: each is kept as soon as it is done, and a run goes on where one was stopped."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from penni_escalate.compress.pipeline import compress_network
from penni_escalate.compress.report import Report, Step
from penni_escalate.compress.state import take_over
from penni_escalate.compress.steps import digest
from penni_escalate.compress.tradeoff.measure import measure_point, ship
from penni_escalate.compress.tradeoff.points import Points, recipe_of
from penni_escalate.compress.tradeoff.record import Point, Record, write_record
from penni_escalate.compress.view import read_report
from penni_escalate.golden.package import Package, checksum, find_package, manifest_data, read_package

_REPORT = "report.json"


class Tradeoff:
    """The points of a network: where each comes from, and what is known of them so far.

    Attributes:
        known: measured points, by name.
    """

    def __init__(
        self,
        name: str,
        points: Points,
        record: Record | None,
        *,
        folder: Path,
        shipped: Path,
        work: Path,
        others: Sequence[Path] = (),
        where: str,
        command: str,
    ) -> None:
        """Nothing is run.

        Args:
            name: of the network, and of its files.
            record: what was measured before.
            folder: gets NAME.json and NAME/POINT, the packages of the points.
            shipped: where such files may be too, for reading.
            work: gets a folder for each point's steps.
            others: work folders of other compressions, whose steps are taken where they are the same.
            where: what errors call the file of points.
            command: that makes the record.
        """
        self.name, self.points, self.folder, self.work = name, points, folder, work
        self._shipped = shipped
        self._others, self._where, self._command = tuple(others), where, command
        self.known: dict[str, Point] = {}
        for point in record.points if record else ():
            if point.name in self.names and point.key == self.key(point.name):
                self.known[point.name] = point
        self._record = record

    @property
    def names(self) -> list[str]:
        """Every point, packages first."""
        return [*self.points.packages, *self.points.points]

    @property
    def missing(self) -> list[str]:
        """Points that are not measured, or not with the present recipe."""
        return [name for name in self.names if name not in self.known]

    @property
    def unpredicted(self) -> list[str]:
        """Points that are known, but not their cycles on the configurations and images that are asked for."""
        wanted = [(name, self.points.images) for name in self.points.configurations]
        return [
            point.name
            for point in self.known.values()
            if [(found.configuration, found.images) for found in point.predictions] != wanted
        ]

    def key(self, name: str) -> str:
        """Identifies what a point is made from: a package, or a recipe.

        Raises UserError where there is no such package.
        """
        if name in self.points.packages:
            return checksum(manifest_data(find_package(name)))
        return digest(recipe_of(self.points, name, self._where), "export")

    def package_folder(self, name: str) -> Path:
        """Where a point's package is, or will be."""
        if name in self.points.packages:
            return find_package(name)
        own, shipped = (folder / self.name / name for folder in (self.folder, self._shipped))
        return own if own.is_dir() or not shipped.is_dir() else shipped

    def measure(self, name: str, advance: Callable[[str], None]) -> None:
        """Measure a point that has been measured before once more, or a package."""
        package = read_package(self.package_folder(name))
        before = self.known.get(name)
        if before is not None:
            self._keep(package, advance, name, before.coefficient_density, before.seconds)
        else:
            report = read_report(package.folder / _REPORT)
            self._keep(package, advance, name, 1 - report.coefficient_sparsity, report.seconds)

    def train(self, name: str, *, progress: bool, told: Callable[[Step], None], advance: Callable[[str], None]) -> None:
        """Train, package and measure a point; its steps are taken up where others have done the same."""
        recipe = recipe_of(self.points, name, self._where)
        work = self.work / name
        take_over(recipe, work, [*self._others, *(self.work / other for other in self.points.points if other != name)])
        report = compress_network(recipe, work / "package", work=work, progress=progress, report=told)
        assert isinstance(report, Report)
        package = read_package(work / "package")
        ship(package, self.folder / self.name / name)
        self._keep(package, advance, name, 1 - report.coefficient_sparsity, report.seconds)

    def _keep(
        self, package: Package, advance: Callable[[str], None], name: str, density: float, seconds: float
    ) -> None:
        point = measure_point(
            package,
            self.points.configurations,
            self.points.images,
            advance=advance,
            name=name,
            from_package=name in self.points.packages,
            key=self.key(name),
            changes=dict(self.points.points.get(name, {})),
            coefficient_density=density,
            seconds=seconds,
        )
        self.known[name] = point
        self._write(package)

    def _write(self, package: Package) -> None:
        manifest = package.manifest
        record = self._record or Record(
            network=self.name,
            data=manifest.data,
            measure=manifest.measure.value,
            held_out_images=len(package.images),
            command=self._command,
            points=(),
        )
        points = tuple(self.known[name] for name in self.names if name in self.known)
        self._record = replace(record, points=points)
        write_record(self.folder / f"{self.name}.json", self._record)

    @property
    def record(self) -> Record | None:
        """What is known; None where no point is."""
        return self._record
