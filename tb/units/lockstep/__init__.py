"""What the benches of all units share: the cycle loop, signals, stimulus, the wrapper round the units."""
