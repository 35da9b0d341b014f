"""What is known of an image besides its header, for results of another format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from xml.etree import ElementTree as ET

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import ResultFormat

SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0, "h": 3600.0, "sec": 1.0, "seconds": 1.0}
_OPAQUE = 0xFF


@dataclass(frozen=True)
class Description:
    """Name of an image, the interval of its times, and the colours of its channels as RRGGBB."""

    name: str | None = None
    interval_s: float | None = None
    colours: tuple[str | None, ...] = ()

    @classmethod
    def of(cls, header: ImageHeader, form: ResultFormat) -> Self:
        """Return what the header tells, or else the metadata of a TIFF result of the source's own format."""
        found = cls._of_format(form)
        return replace(
            found,
            interval_s=header.time_interval_s or found.interval_s,
            colours=tuple(colour.removeprefix("#") for colour in header.channel_colours) or found.colours,
        )

    @classmethod
    def _of_format(cls, form: ResultFormat) -> Self:
        metadata, text = form.page.get("metadata"), form.page.get("description", b"")
        if form.writer.get("imagej") and isinstance(metadata, Mapping):
            return cls(
                None, _interval_s(metadata.get("finterval"), "s"), _of_tables(metadata.get("LUTs", ()))
            )
        if form.writer.get("ome") and isinstance(metadata, Mapping):
            colours = metadata.get("Channel", {}).get("Color", ())
            interval_s = _interval_s(metadata.get("TimeIncrement"), metadata.get("TimeIncrementUnit", "s"))
            return cls(metadata.get("Name"), interval_s, tuple(map(_rgb, colours)))
        if isinstance(text, bytes) and b"<OME" in text:
            return cls._of_xml(text)
        return cls()

    @classmethod
    def _of_xml(cls, xml: bytes) -> Self:
        image = ET.fromstring(xml).find("{*}Image")  # noqa: S314  # written by this package
        pixels = image.find("{*}Pixels") if image is not None else None
        if image is None or pixels is None:
            return cls()
        interval_s = _interval_s(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
        colours = [channel.get("Color") for channel in pixels.findall("{*}Channel")]
        return cls(image.get("Name"), interval_s, tuple(map(_rgb, colours)))


def _interval_s(value: object, unit: object) -> float | None:
    try:
        interval_s = float(str(value)) * SECONDS[str(unit)]
    except (KeyError, ValueError):
        return None
    return interval_s if 0 < interval_s < float("inf") else None


def _rgb(colour: object) -> str | None:
    """Return the colour of OME's signed integer of red, green, blue and opacity."""
    try:
        red, green, blue, _ = int(str(colour)).to_bytes(4, "big", signed=True)
    except (ValueError, OverflowError):
        return None
    return f"{red:02X}{green:02X}{blue:02X}"


def rgba_integer(colour: str) -> int:
    """Return OME's signed integer of a colour RRGGBB."""
    return int.from_bytes(bytes([*bytes.fromhex(colour), _OPAQUE]), "big", signed=True)


def _of_tables(tables: Sequence[Any]) -> tuple[str | None, ...]:
    """Return the brightest colour of each of ImageJ's look-up tables (3, 256)."""
    return tuple("".join(f"{int(value):02X}" for value in table[:, -1]) for table in tables)
