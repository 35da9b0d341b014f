"""Limits of the size of noise models: for contracts, files and the engine."""

MAX_COMPONENTS = 32
MAX_COEFFICIENTS = 16
MAX_BINS = 1024
