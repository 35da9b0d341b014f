"""Types and fill values of Zarr arrays, as both versions of the format spell them."""

import math
import re
import struct
from typing import Any

import numpy as np

from models_store.errors import ImageCorruptError, ImageUnsupportedError

NUMBERS = {
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
}
_VERSION_2 = re.compile("([<>|])([iuf])([1248])")
_NAMED_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BITS = {"float16": "<e", "float32": "<f", "float64": "<d"}


def dtype_of_version_2(described: object) -> np.dtype[Any]:
    """Return the type of stored values. Raises ImageUnsupportedError if they are no real numbers."""
    found = _VERSION_2.fullmatch(described) if isinstance(described, str) else None
    dtype = np.dtype(found.group()) if found and found.groups() != ("f", "1") else None
    if dtype is None or dtype.name not in NUMBERS:
        raise _unsupported(described)
    return dtype


def dtype_of_version_3(described: object, *, big_endian: bool) -> np.dtype[Any]:
    """Return the type of stored values. Raises ImageUnsupportedError if they are no real numbers."""
    if not isinstance(described, str) or described not in NUMBERS:
        raise _unsupported(described)
    return np.dtype(described).newbyteorder(">" if big_endian else "<")


def _unsupported(described: object) -> ImageUnsupportedError:
    named = described if isinstance(described, str) else "structured"
    return ImageUnsupportedError(
        f"pixels of the type {named} are not supported; export integers or floats of 8 to 64 bits"
    )


def fill_value(described: object, dtype: np.dtype[Any]) -> int | float:
    """Return the value that stands for pixels that were never written; 0 if none is described.

    Raises ImageCorruptError if it is not of the array's type.
    """
    if described is None:
        return 0
    if dtype.kind == "f":
        value = _float(described, dtype)
        if value is not None:
            return value
    elif isinstance(described, (int, float)) and described == described // 1:
        limits = np.iinfo(dtype)
        if limits.min <= described <= limits.max:
            return int(described)
    raise ImageCorruptError(f"the fill value {str(described)[:40]!r} is no {dtype.name}")


def _float(described: object, dtype: np.dtype[Any]) -> float | None:
    if isinstance(described, (int, float)):
        return float(described)
    if not isinstance(described, str):
        return None
    if described.startswith("0x"):
        try:
            bits = int(described, 16).to_bytes(dtype.itemsize, "little")
        except (ValueError, OverflowError):
            return None
        return float(struct.unpack(_BITS[dtype.name], bits)[0])
    return _NAMED_FLOATS.get(described)
