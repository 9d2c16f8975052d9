"""Timing: each unit mapped to a library of standard cells, and its slowest path."""
