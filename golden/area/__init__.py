"""Area of a configuration and of other machines, estimated from a fit to what Yosys counts: no tool is needed."""
