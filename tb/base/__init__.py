"""What every bench uses: simulators, functional coverage, load port, random layers, handshakes."""
