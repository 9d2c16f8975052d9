"""The environment: agents, reference model, scoreboard and coverage, wired.

    virtual sequence -> sequencers -> drivers -> pins -> stream_core -> pins -> monitors -> scoreboard
                     -> reference model (golden/) -----------------------------------------> scoreboard, coverage

Configuration and weights go through one load port, whose arbiter mixes them.
"""

from pyuvm import uvm_env

from tb.env.agents import ActivationAgent, ConfigurationAgent, LoadPort, OutputAgent, WeightAgent
from tb.env.coverage import CoverageCollector
from tb.env.model import Expectation, ReferenceModel
from tb.env.scoreboard import Scoreboard
from tb.env.sequences import Sequencers
from tb.env.work import Work


class StreamEnvironment(uvm_env):
    """Everything around one stream core."""

    def build_phase(self) -> None:
        """Components, each through the factory, so that a test can put others in their place."""
        self.load_port = LoadPort.create("load_port", self)
        self.cdb_set("LOAD_PORT", self.load_port)
        self.configuration = ConfigurationAgent.create("configuration", self)
        self.weights = WeightAgent.create("weights", self)
        self.activations = ActivationAgent.create("activations", self)
        self.outputs = OutputAgent.create("outputs", self)
        self.model = ReferenceModel.create("model", self)
        self.scoreboard = Scoreboard.create("scoreboard", self)
        self.coverage = CoverageCollector.create("coverage", self)

    def connect_phase(self) -> None:
        """Monitors and model to the scoreboard."""
        board = self.scoreboard
        self.model.ap.connect(board.expectations)
        self.configuration.monitor.ap.connect(board.load_export)
        self.weights.monitor.ap.connect(board.load_export)
        self.activations.monitor.ap.connect(board.input_export)
        self.outputs.monitor.ap.connect(board.output_export)

    @property
    def sequencers(self) -> Sequencers:
        """For virtual sequences."""
        return Sequencers(
            self.configuration.sequencer,
            self.weights.sequencer,
            self.activations.sequencer,
            self.outputs.sequencer,
        )

    def announce(self, work: Work) -> Expectation:
        """Tell the reference model, and so the scoreboard, what comes; returns what must be seen."""
        self.model.write(work)
        assert self.model.latest is not None
        return self.model.latest
