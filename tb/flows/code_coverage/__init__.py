"""Code coverage of the generated Verilog: recorded by Verilator, merged over runs, judged with waivers."""
