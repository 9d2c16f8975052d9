"""The environment: agents, reference model, scoreboard and coverage, wired.

    virtual sequence -> sequencers -> drivers -> pins -> stream_core -> pins -> monitors -> scoreboard
                     -> reference model (golden/) -----------------------------------------> scoreboard, coverage

Configuration and weights go through one load port, whose arbiter mixes them.
"""

from collections.abc import Mapping

from pyuvm import uvm_env, uvm_sequencer

from penni_escalate.tb.stream_core.env.agents import AGENTS, LoadPort, StreamAgent
from penni_escalate.tb.stream_core.env.coverage import CoverageCollector
from penni_escalate.tb.stream_core.env.model import Expectation, ReferenceModel
from penni_escalate.tb.stream_core.env.scoreboard import Scoreboard
from penni_escalate.tb.stream_core.env.work import Work


class StreamEnvironment(uvm_env):
    """Everything around one stream core."""

    def build_phase(self) -> None:
        """Components, each through the factory, so that a test can put others in their place."""
        self.load_port = LoadPort.create("load_port", self)
        self.cdb_set("LOAD_PORT", self.load_port)
        self.agents: dict[str, StreamAgent] = {agent.label: agent.create(agent.label, self) for agent in AGENTS}
        self.model = ReferenceModel.create("model", self)
        self.scoreboard = Scoreboard.create("scoreboard", self)
        self.coverage = CoverageCollector.create("coverage", self)

    def connect_phase(self) -> None:
        """Monitors and model to the scoreboard."""
        board = self.scoreboard
        self.model.ap.connect(board.expectations)
        for agent in self.agents.values():
            agent.monitor.ap.connect(board.exports[agent.stream])

    @property
    def sequencers(self) -> Mapping[str, uvm_sequencer]:
        """Those of the agents, for virtual sequences."""
        return {label: agent.sequencer for label, agent in self.agents.items()}

    def announce(self, work: Work) -> Expectation:
        """Tell the reference model, and so the scoreboard, what comes; returns what must be seen."""
        self.model.write(work)
        assert self.model.latest is not None
        return self.model.latest
