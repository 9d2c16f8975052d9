"""What the cycle model gave for the output groups round a difference, for pictures of waves."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.result import AROUND, Wanted
from penni_escalate.tb.base.simulator import PERIOD_PS
from penni_escalate.tb.stream_core.stream_run import Comparison, Prediction

#: Differences of output groups.
OUTPUTS = ("value", "cycle", "coding")


def wanted_groups(
    config: Accelerator, prediction: Prediction, comparison: Comparison, cluster: int = 0
) -> tuple[Wanted, ...]:
    """The groups that the model gives in the cycles round the first difference; none where outputs do not differ.

    Args:
        cluster: whose run it is: of several, the top module shows all groups in one signal, the first lowest.
    """
    differing = [d for d in comparison.differences if d.cycle >= 0]
    if not differing or differing[0].what not in OUTPUTS or comparison.begin_ps is None:
        return ()
    trace, first, aborted_at = prediction.trace, differing[0].cycle, prediction.run.aborted_at
    found = []
    for group, cycle in zip(trace.outputs, trace.output_cycle.tolist(), strict=True):
        if abs(cycle - first) <= AROUND and (aborted_at is None or cycle < aborted_at):
            ones = sum(1 << lane for lane, code in enumerate(group) if code)
            codes = sum(int(code) << 8 * lane for lane, code in enumerate(code for code in group if code))
            for signal, value, bits in (("out_map_o", ones, config.group), ("out_values_o", codes, 8 * config.group)):
                place = (cluster * bits, bits) if config.clusters > 1 else (0, None)
                found.append(Wanted(signal, comparison.begin_ps + (cycle + 1) * PERIOD_PS, value, *place))
    return tuple(found)
