"""Time of the simulated workers, apart from them: importing them makes every prediction slow."""

PLANE_S = 1.5
"""Seconds that a plane takes longer."""
