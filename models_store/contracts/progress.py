"""Progress of a stage, as those who compute report it and those who show it take it."""

from collections.abc import Callable

ShowStage = Callable[[str, float, str], None]
"""Takes the name of a stage, the fraction of it that is done, and a line of what is being done."""
