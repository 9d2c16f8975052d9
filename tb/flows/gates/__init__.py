"""Gate level: what Yosys makes of the Verilog, under the benches of the Verilog."""
