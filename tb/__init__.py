"""Drives the generated Verilog with cocotb and compares it with golden/."""
