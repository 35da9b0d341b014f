"""Small LIF files with images of any axes, as Leica's format stores them."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

_MARK, _SEPARATOR = 0x70, b"\x2a"
_DIMENSIONS = {"X": 1, "Y": 2, "Z": 3, "T": 4}


@dataclass(frozen=True)
class LifImage:
    """An image: its pixels with the axes C, T, Z, Y and X, all but X of any length, or missing."""

    name: str
    axes: str
    pixels: NDArray[np.unsignedinteger]
    step_um: Mapping[str, float]
    channel_names: Sequence[str] = ("Gray",)
    attachments: str = ""
    """XML of the settings that are attached to it."""


def write_lif(path: Path, images: Sequence[LifImage]) -> Path:
    path.write_bytes(lif_content(images))
    return path


def lif_content(images: Sequence[LifImage], kept_bytes: Mapping[int, int] | None = None) -> bytes:
    """Return a file; `kept_bytes`: of images by number, how much of their pixels was written."""
    kept = kept_bytes or {}
    elements = "".join(_element(number, image) for number, image in enumerate(images))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="experiment"><Data/>'
        '<Memory Size="0" MemoryBlockID="MemBlock_none"/>'
        f"<Children>{elements}</Children></Element></LMSDataContainerHeader>"
    )
    blocks = [
        _block(f"MemBlock_{number}", image.pixels.tobytes()[: kept.get(number)])
        for number, image in enumerate(images)
    ]
    return _part(_text(xml)) + b"".join(blocks)


def _element(number: int, image: LifImage) -> str:
    sizes = dict(zip(image.axes, image.pixels.shape, strict=True))
    strides = dict(zip(image.axes, image.pixels.strides, strict=True))
    bits = 8 * image.pixels.itemsize
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{bits}" Min="0" Max="1" Unit="" '
        f'NameOfMeasuredQuantity="" LUTName={quoteattr(name)} IsLUTInverted="0" '
        f'BytesInc="{channel * strides.get("C", 0)}" BitInc="0"/>'
        for channel, name in enumerate(image.channel_names)
    )
    dimensions = "".join(
        f'<DimensionDescription DimID="{_DIMENSIONS[axis]}" NumberOfElements="{sizes[axis]}" Origin="0" '
        f'Length="{_length(image, axis, sizes[axis])}" Unit="{"s" if axis == "T" else "m"}" '
        f'BitInc="0" BytesInc="{strides[axis]}"/>'
        for axis in "XYZT"
        if axis in sizes
    )
    return (
        f"<Element Name={quoteattr(image.name)}><Data><Image><ImageDescription>"
        f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription>{image.attachments}"
        f'</Image></Data><Memory Size="{image.pixels.nbytes}" MemoryBlockID="MemBlock_{number}"/></Element>'
    )


def _length(image: LifImage, axis: str, elements: int) -> float:
    """Return the distance from the first to the last pixel in metres, or the time in seconds."""
    step = 1.0 if axis == "T" else image.step_um.get(axis, 0.0) * 1e-6
    return step * (elements - 1)


def _text(text: str) -> bytes:
    return _SEPARATOR + struct.pack("<i", len(text)) + text.encode("utf-16-le")


def _part(content: bytes) -> bytes:
    return struct.pack("<ii", _MARK, len(content)) + content


def _block(name: str, content: bytes) -> bytes:
    described = _SEPARATOR + struct.pack("<q", len(content)) + _text(name)
    return _part(described) + content
