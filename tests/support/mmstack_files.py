"""Sets of Micro-Manager's MMStack files: positions, and files that continue others."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.support.tiff_sets import OME, Files, uuid_of


class Part(NamedTuple):
    """A file of a set: its name, and the position and number of its pages."""

    name: str
    position: int
    pages: int


def mmstack(pixels: NDArray[np.uint16], parts: Sequence[Part], *, everywhere: bool = True) -> Files:
    """Return a set of positions with the axes T, C, Y and X, C fastest.

    All files have the OME-XML of the whole set, or only name the first, which has it.
    """
    files, first = {}, dict.fromkeys(range(len(pixels)), 0)
    for number, (name, position, pages) in enumerate(parts):
        planes = pixels[position].reshape(-1, *pixels.shape[-2:])[first[position] :][:pages]
        first[position] += pages
        own = (
            mmstack_xml(pixels.shape, parts, number)
            if everywhere or number == 0
            else (
                f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}" UUID="{uuid_of(number)}">'
                f'<BinaryOnly MetadataFile="{parts[0].name}" UUID="{uuid_of(0)}"/></OME>'
            )
        )
        files[name] = stack(planes, own)
    return files


def stack(planes: NDArray[np.uint16], description: str) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tiff:
        for number, plane in enumerate(planes):
            own = description.encode() if number == 0 else None
            tiff.write(plane, description=own, metadata=None, contiguous=False, photometric="minisblack")
    return stream.getvalue()


def mmstack_xml(shape: Sequence[int], parts: Sequence[Part], number: int) -> str:
    """Return the OME-XML of a set (position, T, C, Y, X) in one of its files."""
    positions, times, channels, height, width = shape
    images = []
    for position in range(positions):
        places = [
            (file, page)
            for file, part in enumerate(parts)
            for page in range(part.pages if part.position == position else 0)
        ]
        located = "".join(
            f'<TiffData FirstC="{plane % channels}" FirstT="{plane // channels}" FirstZ="0" IFD="{page}" '
            f'PlaneCount="1"><UUID FileName="{parts[file].name}">{uuid_of(file)}</UUID></TiffData>'
            for plane, (file, page) in enumerate(places)
        )
        described = "".join(
            f'<Channel ID="Channel:{position}:{c}" Name="{name}"/>'
            for c, name in enumerate(("DAPI", "Cy5")[:channels])
        )
        images.append(
            f'<Image ID="Image:{position}" Name="run_MMStack_Pos{position}"><Pixels ID="Pixels:{position}" '
            f'DimensionOrder="XYCZT" Type="uint16" SizeX="{width}" SizeY="{height}" SizeC="{channels}" '
            f'SizeZ="1" SizeT="{times}" PhysicalSizeX="0.1" PhysicalSizeY="0.1">{described}{located}'
            "</Pixels></Image>"
        )
    head = f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}" UUID="{uuid_of(number)}">'
    return f"{head}{''.join(images)}</OME>"
