"""Model faults: faults in the Python of the models and of the compression, which the tests must detect."""
