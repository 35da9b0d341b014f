"""Type-checked values of TIFF tags."""

import math
from typing import Any

from tifffile import TiffPage


def positive_number(page: TiffPage, name: str) -> float | None:
    """Return the value of a tag that holds one number of any type, rational or not; None unless positive."""
    tag = page.tags.get(name)
    value = tag.value if tag is not None else None
    if isinstance(value, tuple) and len(value) == 1:
        (value,) = value
    if isinstance(value, tuple) and len(value) == 2:  # noqa: PLR2004  # a rational has two numbers
        numerator, denominator = value
        if not (isinstance(numerator, int) and isinstance(denominator, int)) or denominator == 0:
            return None
        value = numerator / denominator
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def integer(page: TiffPage, name: str) -> int | None:
    """Return the value of a tag that holds one integer, else None."""
    tag = page.tags.get(name)
    value: Any = tag.value if tag is not None else None
    return int(value) if isinstance(value, int) else None
