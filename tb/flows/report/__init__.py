"""The verification report: one static site of what was run, covered, proved and missed."""
