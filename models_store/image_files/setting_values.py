"""Values of a detector's settings, as files spell them; what cannot be read is None."""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_MAX_LENGTH = 100
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]+")
_BINNING = re.compile(r"\s*(\d{1,3})\s*(?:[xX,*]\s*(\d{1,3})\s*)?")
_DASH = re.compile("[\u2010-\u2015\u2212]")
_FORMAT = "Cf"
"""Unicode's category of characters that nobody sees."""
_WITH_UNIT = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)) ?([^\W\d_]{1,10}|[%°])")
_MAX_BITS = 64
_EXACT = 1e15
_NOTHING = {"", "none", "null", "n/a", "na", "unknown", "undefined", "nan"}


def text(value: object) -> str | None:
    """Return a text or number as one printable line; None if it says nothing."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    shown = f"{value:.12g}" if isinstance(value, float) else str(value)
    line = " ".join(_UNPRINTABLE.sub(" ", shown[: 4 * _MAX_LENGTH]).split())[:_MAX_LENGTH].strip()
    return None if line.lower() in _NOTHING else line


def amount(value: object) -> str | None:
    """Return a number, however it is written: an integer as a whole, others with six digits; else a text."""
    read = number(value)
    if read is None:
        return text(value)
    return str(int(read)) if read.is_integer() and abs(read) < _EXACT else f"{read:.6g}"


def number(value: object) -> float | None:
    """Return a finite number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, str) and "_" in value:  # 1_0 is a name; float() reads 10
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def positive(value: object) -> float | None:
    """Return a number; None unless positive, as writers use 0 and -1 for what they do not know."""
    read = number(value)
    return read if read is not None and read > 0 else None


def bits(value: object) -> int | None:
    read = positive(value)
    return int(read) if read is not None and read.is_integer() and read <= _MAX_BITS else None


def binning(value: object) -> str | None:
    """Return binning as 2x2, whether it is written 2, "2", "2x2" or "2,2"."""
    read = _BINNING.fullmatch(str(int(value) if isinstance(value, float) and value.is_integer() else value))
    if read is None:
        return None
    x_px, y_px = int(read[1]), int(read[2] or read[1])
    return f"{x_px}x{y_px}" if min(x_px, y_px) > 0 else None


def alike(written: str) -> str:
    """Return a text without case, and with one form of white space, dashes and compatible characters."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", written).casefold())
    shown = (character for character in folded if unicodedata.category(character) != _FORMAT)
    return " ".join(_DASH.sub("-", "".join(shown)).split())


def quantity(value: object) -> str | None:
    """Return a number as `amount` does, also one with a unit, which one space parts; else as `alike` does."""
    if not isinstance(value, str):
        return amount(value)
    written = alike(value)
    with_unit = _WITH_UNIT.fullmatch(written)
    return f"{amount(with_unit[1])} {with_unit[2]}" if with_unit else amount(written)


def joined(*values: object) -> str | None:
    """Return the texts that say something, in one line."""
    return text(", ".join(filter(None, map(text, values))))


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def entries(value: object) -> list[Mapping[str, Any]]:
    """Return the elements of a list of mappings; an XML tree holds a single one without its list."""
    return [mapping(each) for each in (value if isinstance(value, list) else [value]) if each is not None]
