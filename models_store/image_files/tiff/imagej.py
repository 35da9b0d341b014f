"""What an ImageJ description tells about dimensions and calibrated values of pixels."""

from collections.abc import Mapping
from typing import Any

from models_store.image_files.tiff.plane_grid import squeezed

_LENGTHS = {"c": "channels", "z": "slices", "t": "frames"}
_ORDERS = {"czt", "ctz", "zct", "ztc", "tcz", "tzc"}
_STRAIGHT_LINE = 0
_SIGNED_OFFSET = -32768
_CALIBRATION = ("cf", "c0", "c1", "c2", "c3", "c4", "vunit")


def imagej_axes(metadata: Mapping[str, Any], pages: int) -> tuple[str, tuple[int, ...]]:
    """Return the leading axes and lengths of a stack, slowest first; the default is `pages` slices."""
    order = str(metadata.get("order", "czt")).lower()
    order = order if order in _ORDERS else "czt"
    lengths = {axis: _positive(metadata, name, 1) for axis, name in _LENGTHS.items()}
    if all(length == 1 for length in lengths.values()):
        lengths["z"] = _positive(metadata, "images", pages)
    return squeezed(order[::-1].upper(), [lengths[axis] for axis in order[::-1]])


def is_signed(metadata: Mapping[str, Any]) -> bool:
    """Return whether 16-bit numbers are 32768 above the values, as ImageJ stores signed pixels."""
    line = [metadata.get(name) for name in ("cf", "c0", "c1")]
    return line == [_STRAIGHT_LINE, _SIGNED_OFFSET, 1]


def calibration_warning(metadata: Mapping[str, Any]) -> str | None:
    """Return a sentence about a calibration of values, which ImageJ applies to integers but not to floats."""
    if not isinstance(metadata.get("cf"), int) or is_signed(metadata):
        return None
    unit = str(metadata.get("vunit", "")).strip()
    shown = f" in {unit}" if unit else ""
    if metadata["cf"] == _STRAIGHT_LINE:
        c0, c1 = metadata.get("c0", 0), metadata.get("c1", 1)
        if (c0, c1) == (0, 1):
            return None
        shown = f"{shown}, {c0} + {c1} x the stored number,"
    return f"ImageJ shows calibrated values{shown} for this file; the result has the stored numbers instead"


def without_calibration(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return ImageJ's metadata for pixels that hold the values themselves."""
    return {name: value for name, value in metadata.items() if name not in _CALIBRATION}


def shifted_to_signed(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata without the calibration of signed pixels, with display ranges of the values."""
    shifted = without_calibration(metadata)
    for name in ("min", "max"):
        if isinstance(shifted.get(name), (int, float)):
            shifted[name] = float(shifted[name]) + _SIGNED_OFFSET
    if isinstance(shifted.get("Ranges"), tuple):
        shifted["Ranges"] = tuple(float(limit) + _SIGNED_OFFSET for limit in shifted["Ranges"])
    return shifted


def _positive(metadata: Mapping[str, Any], name: str, default: int) -> int:
    value = metadata.get(name, default)
    return value if isinstance(value, int) and value > 0 else default
