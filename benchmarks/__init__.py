"""Benchmarks of quality and speed (`make bench`). They print figures and assert nothing."""
