"""Mutants: faults in the Verilog that the environment must detect."""
