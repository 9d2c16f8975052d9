"""What runs the benches by the hundred and judges them: regressions, proofs, mutants, netlists, coverage, report."""
