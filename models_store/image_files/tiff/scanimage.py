"""Axes of a ScanImage recording, from the settings in its Software tag or, in older versions, its pages."""

import re

from tifffile import TiffPage

from models_store.image_files.tiff.plane_grid import squeezed

_SETTING = r"^(?:SI|scanimage\.SI\w*)\.(?:{names})\s*=\s*(.*)$"
_CHANNELS = r"hChannels\.channelSave|channelsSave|channelSave"
_SLICES = r"hStackManager\.numSlices|stackNumSlices"
_FRAMES = r"hStackManager\.framesPerSlice|acqNumFrames"
_FAST_Z = r"hFastZ\.enable|fastZEnable"
_OLDEST_CHANNEL = re.compile(r"^state\.acq\.savingChannel\d=1\s*$", re.MULTILINE)


def is_scanimage(page: TiffPage) -> bool:
    """Return whether a page has ScanImage's settings."""
    return bool(page.is_scanimage)


def software_settings(page: TiffPage) -> str | None:
    """Return the settings in the Software tag, where ScanImage has them since 2016."""
    return page.software if page.software.startswith("SI.") else None


def scanimage_axes(page: TiffPage, pages: int) -> tuple[str, tuple[int, ...]] | None:
    """Return leading axes and lengths, slowest first; None unless the settings fit the number of pages.

    Channels are interleaved. Frames of one slice follow each other, or volumes with a fast z drive.
    """
    if not is_scanimage(page):
        return None
    settings = software_settings(page) or page.description.replace("\r", "\n")
    saved = re.findall(r"\d+", _setting(settings, _CHANNELS)) or _OLDEST_CHANNEL.findall(settings)
    channels = len(saved) or 1
    slices, frames = _number(settings, _SLICES), _number(settings, _FRAMES)
    if pages % channels:
        return None
    planes = pages // channels
    if slices == 1 or planes % slices:
        return squeezed("TC", (planes, channels))
    if _setting(settings, _FAST_Z) in {"true", "1"}:
        return squeezed("TZC", (planes // slices, slices, channels))
    if slices * frames == planes:
        return squeezed("ZTC", (slices, frames, channels))
    return squeezed("TC", (planes, channels))


def _setting(settings: str, names: str) -> str:
    found = re.search(_SETTING.replace("{names}", names), settings, re.MULTILINE)
    return found[1].strip() if found else ""


def _number(settings: str, names: str) -> int:
    text = _setting(settings, names)
    return int(text) if re.fullmatch("[1-9][0-9]{0,8}", text) else 1
