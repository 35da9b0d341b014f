"""Settings of detectors that decide whether a noise model holds, and their canonical fingerprint."""

import hashlib
import json
from collections.abc import Mapping

from pydantic import BaseModel

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.channels import channel_label, channels_of
from models_store.image_files.header import ImageHeader
from models_store.image_files.setting_values import alike, amount, binning, quantity, text

ALL_CHANNELS = ""
_NAME_LENGTH = 180
_NAMES = ("camera", "serial", "readout_mode")
_FORMS = {
    "camera": "{}",
    "serial": "no. {}",
    "readout_mode": "{}",
    "gain": "gain {}",
    "em_gain": "EM gain {}",
    "binning": "binning {}",
    "bit_depth": "{} bit",
    "offset": "offset {}",
    "region_height": "{} rows",
}
_TELLING = ("camera", "serial", "readout_mode", "gain", "em_gain", "settings")


class DetectorSettings(BaseModel, frozen=True):
    """What a noise model depends on; None for what is not known. Exposure and temperature are left out."""

    camera: str | None = None
    serial: str | None = None
    readout_mode: str | None = None
    gain: str | None = None
    em_gain: float | None = None
    binning: str | None = None
    bit_depth: int | None = None
    offset: float | None = None
    region_height: int | None = None
    """Rows that are read out; how many a file holds may be a part of them."""
    settings: Mapping[str, str | float] | None = None
    """Settings of the user's own, by name."""

    @classmethod
    def of(cls, acquisition: Acquisition) -> "DetectorSettings":
        told = acquisition.model_dump()
        return cls(**{name: told[name] for name in cls.model_fields if name in told})

    @property
    def tells_of_detector(self) -> bool:
        """Return whether a detector or how it was set is known; the size of pixels in bits tells neither."""
        return any(getattr(self, name) for name in _TELLING)

    @property
    def detector(self) -> str | None:
        """Camera and readout mode, spelled alike; None if the camera is not known."""
        known = self.canonical()
        return f"{known['camera']}|{known.get('readout_mode', '')}" if known.get("camera") else None

    def canonical(self) -> dict[str, str]:
        """Return settings that are known, spelled alike."""
        known = self.model_dump(exclude_none=True, exclude={"settings"})
        own = {f"setting {alike(name)}": value for name, value in (self.settings or {}).items()}
        return {name: _canonical(name, value) for name, value in sorted({**known, **own}.items())}

    def replaced_by(self, other: "DetectorSettings") -> "DetectorSettings":
        """Return these settings, with those that another knows in their place."""
        own = {**(self.settings or {}), **(other.settings or {})}
        known = other.model_dump(exclude_none=True) | ({"settings": own} if own else {})
        return self.model_copy(update=known)


def settings_of_file(header: ImageHeader) -> dict[str, DetectorSettings]:
    """Return settings by the name of the channel, or by ALL_CHANNELS if they agree; empty if none tells."""
    own = [DetectorSettings.of(each) for each in header.acquisition]
    if not any(each.tells_of_detector for each in own):
        return {}
    if all(each.canonical() == own[0].canonical() for each in own):
        return {ALL_CHANNELS: own[0]}
    labels = [channel_label(header, channel) for channel in channels_of(header)]
    return dict(zip(labels, own, strict=True)) if len(labels) == len(own) else {}


def requested_over_told(
    told: Mapping[str, DetectorSettings], requested: DetectorSettings
) -> dict[str, DetectorSettings]:
    """Return settings by channel of which those of a request win over those that a file tells."""
    if not told:
        return {ALL_CHANNELS: requested}
    merged = {channel: own.replaced_by(requested) for channel, own in told.items()}
    first, *others = merged.values()
    if all(other.canonical() == first.canonical() for other in others):
        return {ALL_CHANNELS: first}
    return merged


def fingerprint(settings: Mapping[str, DetectorSettings]) -> str:
    """Return a digest of settings, the same in whatever order and spelling they come."""
    canonical = {channel: own.canonical() for channel, own in sorted(settings.items())}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


def title(settings: Mapping[str, DetectorSettings]) -> str:
    """Return the name of a profile made for settings; no two settings share one, and it has no slash."""
    parts = [
        (f"{channel}: " if channel else "") + ", ".join(setting_words(own))
        for channel, own in settings.items()
    ]
    readable = "; ".join(parts).replace("/", "-").strip()[:_NAME_LENGTH].strip()
    return f"{readable} ({fingerprint(settings)[:8]})"


def differences(asked: DetectorSettings, told: DetectorSettings) -> list[str]:
    """Return in which settings others differ from those asked for, of those that both know."""
    wanted, found = asked.canonical(), told.canonical()
    return [
        f"{name.replace('_', ' ')} {found[name]!r} instead of {wanted[name]!r}"
        for name in wanted
        if name in found and wanted[name] != found[name]
    ]


def unknown_to_one(asked: DetectorSettings, told: DetectorSettings) -> list[str]:
    """Return the names of the settings that only one of two knows."""
    return [name.replace("_", " ") for name in sorted(asked.canonical().keys() ^ told.canonical().keys())]


def _canonical(name: str, value: object) -> str:
    """Return a value spelled alike; models and serial numbers are names, even if they look like numbers."""
    if name == "binning":
        return binning(value) or alike(text(value) or "")
    return (alike(text(value) or "") if name in _NAMES else quantity(value)) or ""


def setting_words(own: DetectorSettings) -> list[str]:
    """Return settings that are known, in words: `gain 4`."""
    named = [
        form.format(_shown(name, getattr(own, name)))
        for name, form in _FORMS.items()
        if getattr(own, name) is not None
    ]
    return named + [f"{name} {amount(value)}" for name, value in (own.settings or {}).items()]


def _shown(name: str, value: object) -> str | None:
    """Return a setting as text, as its user spells it but for numbers."""
    if name == "binning":
        return binning(value) or text(value)
    return text(value) if name in _NAMES else amount(value)
