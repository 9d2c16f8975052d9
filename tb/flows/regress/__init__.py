"""Regression: many tests with many seeds, built once each, spread over workers, gathered in one result."""
