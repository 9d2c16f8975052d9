"""Sketches of other machines' processing elements, in Verilog: for their area, and tested that they compute."""
