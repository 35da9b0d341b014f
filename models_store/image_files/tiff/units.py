"""Units of length, as files spell them."""

import math

_MICRO = ("u", "µ", "μ", "\\u00b5", "\\u03bc")
_PREFIXES = {"pico": 1e-6, "nano": 1e-3, "micro": 1.0, "milli": 1e3, "centi": 1e4, "": 1e6}
_SYMBOLS = {"pm": 1e-6, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6} | dict.fromkeys(
    [f"{micro}m" for micro in _MICRO] + list(_MICRO[1:]), 1.0
)
_WORDS = {
    f"{prefix}{metre}{plural}": factor
    for prefix, factor in _PREFIXES.items()
    for metre in ("meter", "metre")
    for plural in ("", "s")
}
_INCH_UM = 25_400.0
_OTHERS = {
    **dict.fromkeys(("micron", "microns", "mikron"), 1.0),
    **dict.fromkeys(("å", "angstrom", "angstroms", "ångström", "ångstrom"), 1e-4),
    **dict.fromkeys(("in", "inch", "inches", '"'), _INCH_UM),
}
_MICROMETRES = {**_SYMBOLS, **_WORDS, **_OTHERS}


def length_um(length: object, unit: str) -> float | None:
    """Return a length in micrometres; None if the unit is unknown or the length is no positive number."""
    # UTF-8 that was read as Latin-1 has an Â before the µ.
    factor = _MICROMETRES.get(unit.strip().lower().removeprefix("â"))
    if factor is None or isinstance(length, bool) or not isinstance(length, (str, int, float)):
        return None
    try:
        value = float(length) * factor
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and value > 0 else None
