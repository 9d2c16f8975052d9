"""``python -m penni_escalate``: the console command where its script is not on the path."""

from penni_escalate.cli import run

run()
