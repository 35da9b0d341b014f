"""Axes of formats that hold only known ones: pages of unknown meaning become times."""

_UNKNOWN = "I"


def with_known_axes(axes: str) -> str:
    """Return the axes with time, or else depth, in the place of unknown pages, as Bio-Formats opens them."""
    free = [axis for axis in "TZ" if axis not in axes]
    return axes.replace(_UNKNOWN, free[0]) if free else axes
