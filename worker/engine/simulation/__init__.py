"""Specimens and detectors whose signal and noise are known: for the demo, for tests, for benchmarks."""

from worker.engine.simulation.detectors import Detector, PhotonCounter, Scmos
from worker.engine.simulation.specimen import simulate_specimen

__all__ = ["Detector", "PhotonCounter", "Scmos", "simulate_specimen"]
