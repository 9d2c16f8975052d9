"""Unit benches: each unit of the Verilog in lockstep with its cycle model or its definition."""
