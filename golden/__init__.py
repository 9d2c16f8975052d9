"""What the hardware must compute, bit for bit, and when, cycle for cycle.

Written from the equations; imports nothing from rtl/, tb/ or compress/.
"""
