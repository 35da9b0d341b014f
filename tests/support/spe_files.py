"""Small SPE files of Princeton Instruments: a header of 4100 bytes, then frames, and XML in version 3."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

SPE_TYPES = {"float32": 0, "int32": 1, "int16": 2, "uint16": 3, "uint32": 8}

Fields = dict[str, tuple[str, int, float]]
"""Fields of the header by name: type of struct, offset, value."""


def write_spe(
    path: Path, pixels_tyx: NDArray[Any], frames: int | None = None, changed: Fields | None = None
) -> Path:
    """Write frames; `frames` is how many the header tells, `changed` has other fields of it."""
    count, height, width = pixels_tyx.shape
    head = bytearray(4100)
    fields: Fields = {
        "exposure": ("f", 10, 0.05),
        "width": ("H", 42, width),
        "type": ("h", 108, SPE_TYPES[pixels_tyx.dtype.name]),
        "height": ("H", 656, height),
        "count": ("i", 1446, count if frames is None else frames),
        "regions": ("h", 1510, 1),
        "bin_x": ("H", 1516, 2),
        "bin_y": ("H", 1522, 2),
        "version": ("f", 1992, 2.5),
        "mark": ("i", 2996, 0x01234567),
    }
    for kind, at, value in (fields | (changed or {})).values():
        struct.pack_into(f"<{kind}", head, at, value)
    path.write_bytes(bytes(head) + pixels_tyx.tobytes())
    return path


def write_spe3(
    path: Path,
    regions_tyx: Sequence[NDArray[Any]],
    tail_bytes: int = 16,
    replaced: tuple[str, str] | None = None,
) -> Path:
    """Write frames of regions as LightField does; `tail_bytes`: times and the like behind each frame.

    `replaced`: a text of the XML and what stands in its place.
    """
    dtype, frames = regions_tyx[0].dtype, len(regions_tyx[0])
    pixel_format = {
        "uint16": "MonochromeUnsigned16",
        "uint32": "MonochromeUnsigned32",
        "float32": "MonochromeFloating32",
    }[dtype.name]
    content = b""
    for frame in range(frames):
        content += b"".join(each[frame].tobytes() for each in regions_tyx) + b"\x7f" * tail_bytes
    size = sum(each[0].nbytes for each in regions_tyx)
    regions = "".join(
        f'<DataBlock type="Region" count="1" width="{each.shape[2]}" height="{each.shape[1]}" '
        f'size="{each[0].nbytes}" stride="{each[0].nbytes}" calibrations="1,{number + 2}"/>'
        for number, each in enumerate(regions_tyx)
    )
    mappings = "".join(
        f'<SensorMapping id="{number + 2}" x="0" y="0" xBinning="2" yBinning="2"/>'
        for number in range(len(regions_tyx))
    )
    xml = (
        '<SpeFormat version="3.0" xmlns="http://www.princetoninstruments.com/spe/2009"><DataFormat>'
        f'<DataBlock type="Frame" count="{frames}" pixelFormat="{pixel_format}" size="{size}" '
        f'stride="{size + tail_bytes}">{regions}</DataBlock></DataFormat>'
        f"<Calibrations>{mappings}</Calibrations><DataHistories><DataHistory>"
        '<Origin created="2019-07-19T13:30:41.5+02:00">'
        '<Experiment xmlns="http://www.princetoninstruments.com/experiment/2009"><Devices><Cameras>'
        '<Camera model="PIXIS: 1024BR" serialNumber="0123456789"><ShutterTiming><ExposureTime>50'
        "</ExposureTime></ShutterTiming><Adc><Speed>2</Speed></Adc></Camera></Cameras></Devices></Experiment>"
        "</Origin></DataHistory></DataHistories></SpeFormat>"
    )
    if replaced is not None:
        xml = xml.replace(*replaced)
    head = bytearray(4100)
    struct.pack_into("<Q", head, 678, len(head) + len(content))
    struct.pack_into("<f", head, 1992, 3.0)
    struct.pack_into("<i", head, 2996, 0x01234567)
    path.write_bytes(bytes(head) + content + xml.encode())
    return path
