"""Units of the axes of OME-Zarr: SI prefixes, and the units of UDUNITS that the specification lists."""

import math

from models_store.image_files.tiff.units import length_um as length_um_of_other_files

_PREFIXES = {
    "yocto": 1e-24,
    "zepto": 1e-21,
    "atto": 1e-18,
    "femto": 1e-15,
    "pico": 1e-12,
    "nano": 1e-9,
    "micro": 1e-6,
    "milli": 1e-3,
    "centi": 1e-2,
    "deci": 1e-1,
    "": 1.0,
    "hecto": 1e2,
    "kilo": 1e3,
    "mega": 1e6,
    "giga": 1e9,
    "tera": 1e12,
    "peta": 1e15,
    "exa": 1e18,
    "zetta": 1e21,
    "yotta": 1e24,
}
_UM_PER_M = 1e6
_FOOT_M, _PARSEC_M = 0.3048, 3.0856775814913673e16
_LENGTHS_M = {f"{prefix}meter": factor for prefix, factor in _PREFIXES.items()} | {
    "angstrom": 1e-10,
    "inch": _FOOT_M / 12,
    "foot": _FOOT_M,
    "yard": 3 * _FOOT_M,
    "mile": 5280 * _FOOT_M,
    "parsec": _PARSEC_M,
}
_MINUTE_S = 60.0
_TIMES_S = {f"{prefix}second": factor for prefix, factor in _PREFIXES.items()} | {
    "minute": _MINUTE_S,
    "hour": 60 * _MINUTE_S,
    "day": 24 * 60 * _MINUTE_S,
    "s": 1.0,
    "ms": 1e-3,  # not of the specification, but met with
}


def length_um(length: float, unit: str) -> float | None:
    """Return a length in micrometres; None if it is not positive or the unit is unknown."""
    factor = _LENGTHS_M.get(unit.strip().lower())
    if factor is None:
        return length_um_of_other_files(length, unit)
    # In this order, 0.1 micrometres are exactly 0.1.
    return _positive(length * (factor * _UM_PER_M))


def duration_s(duration: float, unit: str) -> float | None:
    """Return a duration in seconds; None if it is not positive or the unit is unknown."""
    factor = _TIMES_S.get(unit.strip().lower())
    return None if factor is None else _positive(duration * factor)


def _positive(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None
