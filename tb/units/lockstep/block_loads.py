"""Loading the passes of one block while they run: shared by the benches of basis_mac and block."""

from collections.abc import Callable, Sequence

from penni_escalate.golden.cycle.basis_mac import BasisMac
from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.units.lockstep.passes import Transfer


class BlockLoads:
    """Mixin: offers the next parameters as soon as their bank is free.

    Attributes:
        ports: the unit's strobe for each kind of parameters.
        loads: (number of the pass, transfer), in order; loaded: how many have been taken.
        unfreed: output lines not freed yet, of each pass; lines are freed in order.
        load_throttle: whether a transfer may begin in this cycle.
    """

    ports: dict[LoadKind, str]
    loads: Sequence[tuple[int, Transfer]]
    loaded: int
    unfreed: list[int]
    mac: BasisMac
    load_throttle: Callable[[], bool]

    def oldest_pass(self) -> int:
        """The oldest pass with lines that are not free."""
        return next((p for p, rows in enumerate(self.unfreed) if rows), len(self.unfreed))

    def next_load(self) -> dict[str, int]:
        """The next parameters, where their bank is free."""
        if self.loaded == len(self.loads):
            return {}
        number, transfer = self.loads[self.loaded]
        pending = int(self.mac.loaded[0] - self.mac.work[0])
        if number - self.oldest_pass() >= 2 or pending >= 2 or not self.load_throttle():
            return {}
        return {
            self.ports[transfer.kind]: 1,
            "load_bank_i": number % 2,
            "load_index_i": transfer.place,
            "load_data_i": transfer.data,
        }
