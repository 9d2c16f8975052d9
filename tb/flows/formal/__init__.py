"""Formal proofs of the generated Verilog: what each unit must do for every input, not for those that were drawn."""
