"""Training of the network that is trained once, for all specimens and detectors, on simulated images."""
