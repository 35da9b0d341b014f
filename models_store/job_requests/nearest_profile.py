"""How an acquisition profile differs from another one of the same camera and readout mode."""

from collections.abc import Mapping
from dataclasses import dataclass

_RISKY = ("gain", "em_gain", "binning", "offset")
"""Settings that change the noise at a given signal; a model of others is right only if the image says so."""


@dataclass(frozen=True)
class ProfileDifference:
    """Differences of another profile's settings from those of an image."""

    differing: dict[str, tuple[str, str]]
    """The other's value and the image's, by the name of the setting; of those that both tell."""
    unknown: tuple[str, ...]
    """Settings that one of the two tells alone."""

    @property
    def is_risky(self) -> bool:
        return any(name in self.differing for name in _RISKY)

    @property
    def distance(self) -> tuple[bool, bool, int, int]:
        """Smaller is nearer: those of the same gain, then those that tell it, then by fewest differences."""
        return self.is_risky, "gain" in self.unknown, len(self.differing), len(self.unknown)

    @property
    def told(self) -> str:
        """What differs, for a sentence: `whose gain is 2 instead of 1`."""
        parts = [
            f"{_words(name)} is {other} instead of {own}" for name, (other, own) in self.differing.items()
        ]
        told = f"whose {' and whose '.join(parts)}" if parts else "whose settings are not known to differ"
        return told + (f" (one of the two alone tells {', '.join(self.unknown)})" if self.unknown else "")


def difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> ProfileDifference | None:
    """Return how another profile's settings differ from those of an image, both in canonical spelling.

    None if they are of another camera or readout mode.
    """
    if any(wanted.get(name) != found.get(name) for name in ("camera", "readout_mode")):
        return None
    both = wanted.keys() & found.keys()
    differing = {name: (found[name], wanted[name]) for name in sorted(both) if wanted[name] != found[name]}
    if "serial" in differing:
        return None
    return ProfileDifference(differing, tuple(_words(name) for name in sorted(wanted.keys() ^ found.keys())))


def _words(name: str) -> str:
    return name.replace("_", " ")
