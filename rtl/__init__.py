"""Writes the Verilog of the accelerator from its configuration; imports nothing from golden/ or compress/."""
