"""The pyuvm environment of the stream core: pins as cocotb buses, agents, sequences, reference model, scoreboard."""
