"""The cycle model: when everything happens, cycle by cycle; docs/cycle_model.md.

One file a unit. A unit is a named tuple of NumPy arrays, its registers, and a ``step`` that moves
them over one clock edge. Within a cycle the units are stepped from the output towards the input,
so that each sees its neighbour's registers as they were before the edge; what a unit passes
backwards (ready) is returned by its step. The unit benches run these models beside the Verilog.
The core as a whole is in ``sliced/``: the same cycles, 64 rows in an operation.

numba compiles that, see there. The units' models are plain Python: what numba gains in a bench, its import loses.

Work is described by its meaning (channel numbers, absolute output rows, pixel positions), never by
the hardware's encodings, so that an error there shows as a difference.
"""
