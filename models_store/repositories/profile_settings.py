"""Settings of detectors that decide whether a noise model holds, and their canonical fingerprint."""

import hashlib
import json
from collections.abc import Mapping

from pydantic import BaseModel

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.channels import channel_label, channels_of
from models_store.image_files.header import ImageHeader
from models_store.image_files.setting_values import amount, binning, text

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
}
_TELLING = ("camera", "serial", "readout_mode", "gain", "em_gain")


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

    @classmethod
    def of(cls, acquisition: Acquisition) -> "DetectorSettings":
        return cls(**{name: getattr(acquisition, name) for name in cls.model_fields})

    @property
    def tells_of_detector(self) -> bool:
        """Return whether a detector or how it was set is known; the size of pixels in bits tells neither."""
        return any(getattr(self, name) is not None for name in _TELLING)

    def canonical(self) -> dict[str, str]:
        """Return settings that are known, spelled alike: lower case, single spaces, numbers of six digits."""
        known = self.model_dump(exclude_none=True)
        return {name: _canonical(name, value) for name, value in sorted(known.items())}


def settings_of_file(header: ImageHeader) -> dict[str, DetectorSettings]:
    """Return settings by the name of the channel, or by ALL_CHANNELS if they agree; empty if none tells."""
    own = [DetectorSettings.of(each) for each in header.acquisition]
    if not any(each.tells_of_detector for each in own):
        return {}
    if all(each.canonical() == own[0].canonical() for each in own):
        return {ALL_CHANNELS: own[0]}
    labels = [channel_label(header, channel) for channel in channels_of(header)]
    return dict(zip(labels, own, strict=True)) if len(labels) == len(own) else {}


def fingerprint(settings: Mapping[str, DetectorSettings]) -> str:
    """Return a digest of settings, the same in whatever order and spelling they come."""
    canonical = {channel: own.canonical() for channel, own in sorted(settings.items())}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


def title(settings: Mapping[str, DetectorSettings]) -> str:
    """Return the name of a profile made for settings; no two settings share one, and it has no slash."""
    parts = [
        (f"{channel}: " if channel else "") + ", ".join(_words(own)) for channel, own in settings.items()
    ]
    readable = "; ".join(parts).replace("/", "-").strip()[:_NAME_LENGTH].strip()
    return f"{readable} ({fingerprint(settings)[:8]})"


def differences(asked: DetectorSettings, told: DetectorSettings) -> list[str]:
    """Return in which settings a file differs from those asked for, of those that both know."""
    wanted, found = asked.canonical(), told.canonical()
    return [
        f"{name.replace('_', ' ')} {found[name]!r} instead of {wanted[name]!r}"
        for name in wanted
        if name in found and wanted[name] != found[name]
    ]


def _canonical(name: str, value: object) -> str:
    return " ".join((_shown(name, value) or "").lower().split())


def _words(own: DetectorSettings) -> list[str]:
    return [
        form.format(_shown(name, getattr(own, name)))
        for name, form in _FORMS.items()
        if getattr(own, name) is not None
    ]


def _shown(name: str, value: object) -> str | None:
    """Return a setting as text; models and serial numbers are names, even if they look like numbers."""
    if name == "binning":
        return binning(value) or text(value)
    return text(value) if name in _NAMES else amount(value)
