"""Area: how many gates and memory bits each unit needs, counted by Yosys, and the fit of golden/area."""
