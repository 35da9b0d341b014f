"""Type-checked values of TIFF tags."""

from tifffile import TiffPage


def rational_of(page: TiffPage, name: str) -> tuple[int, int] | None:
    """Return numerator and denominator of a tag; None if it is missing or not one positive rational."""
    tag = page.tags.get(name)
    value = tag.value if tag is not None else None
    if not isinstance(value, tuple) or len(value) != 2:  # noqa: PLR2004  # a rational has two numbers
        return None
    numerator, denominator = value
    if not (isinstance(numerator, int) and isinstance(denominator, int)):
        return None
    return (numerator, denominator) if numerator > 0 and denominator > 0 else None
