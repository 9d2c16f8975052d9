"""What passes between a pyuvm test in its simulation and the process that starts it."""

from pathlib import Path

#: Environment variable with the settings of the test.
SETTINGS = "UVM_SETTINGS"
#: What the test leaves in its folder: its record, and its functional coverage.
RECORD = "record.json"
COVERAGE = Path("coverage") / "stream_core.json"
