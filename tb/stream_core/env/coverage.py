"""Coverage collector: hands the runs of a test to the stream core's coverage model."""

from pathlib import Path

from pyuvm import uvm_subscriber

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.coverage import Collector, load_model
from penni_escalate.tb.stream_core.sampling import SampledRun, sample_hits


class CoverageCollector(uvm_subscriber):
    """Counts each run that has ended, and when resets came."""

    def build_phase(self) -> None:
        """Counts begin at 0."""
        self.config: Accelerator = self.cdb_get("CONFIG")
        self.collector = Collector(load_model("stream_core"), self.config)

    def write(self, tt: SampledRun) -> None:
        """A run has ended."""
        self.sample(tt)

    def sample(self, run: SampledRun) -> None:
        """Count what a run was like."""
        sample_hits(self.collector, self.config, run)

    def sample_reset(self, passes_started: int, groups_left: int) -> None:
        """Count how far the work had come when a reset aborted it."""
        when = "between outputs" if groups_left else "before the first output"
        self.collector.sample({"reset": when if passes_started else "while the first pass loads"})

    def save(self, path: Path) -> None:
        """Write the counts."""
        self.collector.write(path)
