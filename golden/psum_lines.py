"""How the outputs of a block share its psum lines.

A pass with one output uses all lines and all ways: column x lies in way x % TAPS at entry x // TAPS. A pass with
several has 1x1 kernels, so that a pixel adds into one column of each: ways hold outputs, and entry x is column x. Where
there are more outputs than ways, the MAC takes a step for each TAPS of them, and each step has lines of its own.
"""

from collections.abc import Sequence

#: Lines that each of several outputs needs: the MAC works on one while the collector drains another.
LINES_MIN = 2


def steps_of(outputs: int, taps: int) -> int:
    """Steps of the MAC for a pixel of a pass with several outputs; 1 with one, whose steps follow from the kernel."""
    return -(-outputs // taps)


def lines_of(outputs: int, taps: int, psum_lines: int) -> int:
    """Lines in flight that each output of a block has: line j of step i is psum line i * lines + j."""
    return psum_lines // steps_of(outputs, taps)


def line_mask(line: int, outputs: int, taps: int, psum_lines: int) -> int:
    """The psum lines, as a bit mask, that hold line j of all steps."""
    lines = lines_of(outputs, taps, psum_lines)
    return sum(1 << (step * lines + line) for step in range(steps_of(outputs, taps)))


def first_lines(heights: Sequence[int], lines: Sequence[int]) -> list[int]:
    """The line at which each pass begins: the one after the last of the pass before, turned into its own range.

    Args:
        heights: output lines of each pass; lines: those in flight, as ``lines_of`` gives them.
    """
    next_line, found = 0, []
    for height, own in zip(heights, lines, strict=True):
        found.append(next_line % own)
        next_line = (found[-1] + height) % own
    return found


def outputs_max(rows: int, taps: int, psum_lines: int) -> int:
    """Most outputs that a block can have."""
    return max(
        n for n in range(1, rows + 1) if rows % n == 0 and (n == 1 or lines_of(n, taps, psum_lines) >= LINES_MIN)
    )
