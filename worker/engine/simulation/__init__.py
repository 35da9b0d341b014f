"""Simulated specimens and detectors with known signal and noise, for the demo, tests and benchmarks."""

from worker.engine.simulation.detectors import Detector, Emccd, PhotonCounter, Scmos
from worker.engine.simulation.specimen import simulate_specimen

__all__ = ["Detector", "Emccd", "PhotonCounter", "Scmos", "simulate_specimen"]
