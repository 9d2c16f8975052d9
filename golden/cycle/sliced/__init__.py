"""The stream core, bit-sliced: a register that every row has is a set of rows, held as bits of 64-bit words.

A step moves 64 rows with the same few logic operations, whatever they hold. That is possible because time depends on
no value: what matters is how many values wait for each adder lane in each column of the window (numbers, held as one
set of rows a binary digit), and which pixels' z are all 0.

numba counts no references here (``_nrt=False``): in a step that takes nanoseconds, counting those of the tuples' arrays
would take most of the time.

Word n of a set of rows has row m = n // W of blocks 64 * (n % W) and up, with W = ceil(BLOCKS / 64) words for the
blocks. Sets of blocks have W words.

With NUMBA_DISABLE_JIT=1 the steps run, slowly, as the plain Python that they are.
"""

from penni_escalate.common.compiled import keep_whole

keep_whole()
