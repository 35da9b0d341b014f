"""Check that an image's pixels carry information, on a few planes of a stack."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.errors import ImageContentError
from models_store.image_files.header import MIN_SIDE_PX
from models_store.image_files.planes import PlaneSource
from models_store.survey.numbers import are_numbers
from models_store.survey.recent_defects import recent_defects

_MIN_USABLE_PX = MIN_SIDE_PX**2
_ALWAYS_READ = 3
_PART_PX = 1024
"""Largest side of the parts of a plane that are looked at one after another: it bounds memory and time."""
_MIN_SPREAD, _MAX_SPREAD = 1e-18, 1e19
"""Of the values with data: the squares of smaller and larger ones are no 32-bit floats."""
_MAX_ROUNDING = 0.25
"""Error of a 32-bit float, in units of the mean difference between neighbouring pixels."""


@dataclass(frozen=True)
class _Content:
    """What a plane holds, as far as it was looked at; the range is of all finite pixels."""

    plane: int
    usable_px: int
    finite_px: int
    lowest: float
    highest: float
    alternates: bool = False
    """Every second row, or column, has one value throughout."""


def check_content(planes: PlaneSource, *, budget_bytes: int = 2**28) -> int:
    """Decode and check the middle, first and last plane, as far as the budget allows (at least one).

    Further planes are read while all are empty: of one value, or without a number. Return the index of a
    plane with data. Raises ImageContentError if no plane has enough pixels with data, or values are beyond
    float32; ImageCorruptError if a plane is broken.
    """
    affordable = max(1, budget_bytes * len(planes) // max(1, planes.header.decoded_bytes))
    read: list[_Content] = []
    for plane in _order(len(planes), affordable):
        if len(read) >= _ALWAYS_READ and any(each.usable_px >= _MIN_USABLE_PX for each in read):
            break
        read.append(_content(plane, planes[plane]))
    best = max(read, key=lambda each: each.usable_px)
    if best.usable_px < _MIN_USABLE_PX:
        raise ImageContentError(_without_data(read, len(planes)))
    return best.plane


def _order(count: int, affordable: int) -> list[int]:
    """Return the middle, first and last plane, then others spread over the stack."""
    spread = np.linspace(0, count - 1, min(affordable, count)).round().astype(int).tolist()
    return list(dict.fromkeys([count // 2, 0, count - 1, *spread]))[:affordable]


def _content(plane: int, plane_yx: NDArray[Any]) -> _Content:
    """Look at the parts of a plane, the middle ones first, until enough pixels are usable."""
    usable_px = finite_px = 0
    lowest, highest, beyond = np.inf, -np.inf, False
    for part in _parts(plane_yx.shape):
        part_yx = plane_yx[part]
        usable = part_yx[recent_defects.of(part_yx).usable_yx]
        finite_yx = np.isfinite(part_yx)
        if (finite := part_yx[finite_yx]).size:
            lowest, highest = min(lowest, float(finite.min())), max(highest, float(finite.max()))
        usable_px, finite_px = usable_px + usable.size, finite_px + finite.size
        beyond |= bool((finite_yx & ~are_numbers(part_yx)).any())
        if usable.size >= _MIN_USABLE_PX:
            _check_precision(plane, usable.astype(np.float64))
        if usable_px >= _MIN_USABLE_PX:
            return _Content(plane, usable_px, finite_px, lowest, highest)
    if beyond:
        raise ImageContentError(
            "pixel values exceed 3.4e38, the range of 32-bit floats, in which results are calculated; "
            "rescale the image"
        )
    return _Content(plane, usable_px, finite_px, lowest, highest, _alternates(plane_yx))


def _parts(shape_yx: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Return equal parts of a plane, those nearest to the middle first."""
    edges = [np.linspace(0, size, -(-size // _PART_PX) + 1).round().astype(int).tolist() for size in shape_yx]
    spans = [list(map(slice, each[:-1], each[1:])) for each in edges]
    return sorted(
        product(*spans),
        key=lambda part: sum(
            abs(span.start + span.stop - size) / size for span, size in zip(part, shape_yx, strict=True)
        ),
    )


def _check_precision(plane: int, usable: NDArray[np.float64]) -> None:
    spread = float(usable.std())
    if not _MIN_SPREAD <= spread <= _MAX_SPREAD:
        raise ImageContentError(
            f"pixel values of plane {plane + 1} spread by {spread:.3g}, but 32-bit floats, in which results "
            f"are calculated, need {_MIN_SPREAD:g} to {_MAX_SPREAD:g}; rescale the image"
        )
    rounding = float(np.abs(usable - usable.astype(np.float32)).mean())
    step = float(np.abs(np.diff(usable)).mean())
    if rounding > _MAX_ROUNDING * step:
        raise ImageContentError(
            f"neighbouring pixels of plane {plane + 1} differ by {step:.3g} at values of "
            f"{np.median(usable):.6g}: 32-bit floats, in which results are calculated, do not tell them "
            "apart; subtract the offset"
        )


def _alternates(plane_yx: NDArray[Any]) -> bool:
    for rows in (plane_yx, plane_yx.T):
        flat = (rows == rows[:, :1]).all(axis=1)
        if flat[::2].all() != flat[1::2].all():
            return True
    return False


def _without_data(read: Sequence[_Content], count: int) -> str:
    finite_px = sum(each.finite_px for each in read)
    if finite_px < _MIN_USABLE_PX:
        return f"only {finite_px} pixels are finite numbers; at least {_MIN_USABLE_PX} are needed"
    lowest, highest = min(each.lowest for each in read), max(each.highest for each in read)
    where = "all pixels" if len(read) == count else f"all pixels of the {len(read)} planes that were read"
    if lowest == highest:
        return f"{where} have the same value ({lowest:g}); there is nothing to denoise"
    if all(each.lowest == each.highest for each in read):
        return (
            f"each of the {len(read)} planes that were read has one value throughout ({lowest:g} to "
            f"{highest:g}); there is nothing to denoise"
        )
    best = max(read, key=lambda each: each.usable_px)
    advice = "open it in a viewer to see whether it holds the image that was meant"
    if best.alternates:
        advice = "every second row or column is empty: save the image without them"
    return (
        f"only {best.usable_px} pixels of a plane hold data; at least {_MIN_USABLE_PX} are needed. The "
        f"others have the same value as those around them, or are not finite numbers (values are {lowest:g} "
        f"to {highest:g}); {advice}"
    )
