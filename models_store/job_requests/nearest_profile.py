"""How an acquisition profile differs from another one of the same camera and readout mode."""

from dataclasses import dataclass

from models_store.repositories.profile_settings import DetectorSettings, unknown_to_one

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


def difference(own: DetectorSettings, other: DetectorSettings) -> ProfileDifference | None:
    """Return how another profile differs; None if it is of another camera or readout mode."""
    if own.detector is None or own.detector != other.detector:
        return None
    wanted, found = own.canonical(), other.canonical()
    differing = {
        name: (found[name], wanted[name]) for name in wanted if name in found and wanted[name] != found[name]
    }
    if "serial" in differing:
        return None
    return ProfileDifference(differing, tuple(unknown_to_one(own, other)))


def _words(name: str) -> str:
    return name.replace("_", " ")
