"""Layout of SPE 3 files (Princeton Instruments, LightField), which XML behind the frames tells.

A frame holds its regions of the sensor one after the other, without compression, and then perhaps times and
the like; a stride leads from one frame to the next. Source: SPE 3.0 File Format Specification (4411-0140).
"""

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.acquisition import Acquisition
from models_store.image_files.setting_values import binning, number, positive, text

MAX_FOOTER_BYTES = 2**26
_DTYPES = {"MonochromeUnsigned16": "<u2", "MonochromeUnsigned32": "<u4", "MonochromeFloating32": "<f4"}
_MAX_REGIONS = 1000
_MS = 1e-3


@dataclass(frozen=True)
class Region:
    """A region of the sensor; `offset_bytes` leads to it from the start of a frame."""

    height_px: int
    width_px: int
    offset_bytes: int
    binning: str | None


@dataclass(frozen=True)
class Footer:
    """What the footer tells of all frames."""

    frames: int
    stride_bytes: int
    stored: np.dtype[Any]
    regions: tuple[Region, ...]
    acquisition: Acquisition
    created: str | None


def read_footer(content: bytes) -> Footer:
    """Return what a footer tells. Raises ImageCorruptError, ImageUnsupportedError."""
    try:
        root = ET.fromstring(content)  # noqa: S314  # expat bounds entity expansion and reads no other files
    except ET.ParseError as error:
        raise ImageCorruptError(
            "the XML at the end of the SPE file is cut or damaged; copy it again"
        ) from error
    blocks = root.findall("{*}DataFormat/{*}DataBlock")
    if len(blocks) != 1 or blocks[0].get("type") != "Frame":
        raise ImageUnsupportedError(
            "the SPE file's XML tells of no frames; export it as TIFF from LightField"
        )
    frame = blocks[0]
    stored = _DTYPES.get(frame.get("pixelFormat", ""))
    if stored is None:
        raise ImageUnsupportedError(
            f"the SPE file has pixels of the format {text(frame.get('pixelFormat'))}; export it as TIFF from "
            "LightField"
        )
    size_bytes, stride_bytes = _count(frame, "size"), _count(frame, "stride")
    regions = _regions(frame, np.dtype(stored).itemsize, _binnings(root))
    if size_bytes > stride_bytes or any(end > size_bytes for end in _ends(regions, np.dtype(stored))):
        raise ImageCorruptError("the SPE file's XML is broken: regions are larger than their frame")
    created = root.find("{*}DataHistories/{*}DataHistory/{*}Origin")
    return Footer(
        frames=_count(frame, "count"),
        stride_bytes=stride_bytes,
        stored=np.dtype(stored),
        regions=regions,
        acquisition=_acquisition(root),
        created=created.get("created") if created is not None else None,
    )


def _regions(frame: ET.Element, pixel_bytes: int, binnings: dict[str, str | None]) -> tuple[Region, ...]:
    found: list[Region] = []
    offset_bytes = 0
    blocks = frame.findall("{*}DataBlock")
    if not 0 < len(blocks) <= _MAX_REGIONS:
        raise ImageCorruptError(f"the SPE file's XML is broken: a frame has {len(blocks)} regions")
    for block in blocks:
        width_px, height_px = _count(block, "width"), _count(block, "height")
        if block.get("type") != "Region" or width_px * height_px * pixel_bytes > _count(block, "size"):
            raise ImageCorruptError("the SPE file's XML is broken: a region is smaller than its pixels")
        used = [binnings[each] for each in block.get("calibrations", "").split(",") if each in binnings]
        found.append(Region(height_px, width_px, offset_bytes, used[0] if used else None))
        offset_bytes += _count(block, "stride")
    return tuple(found)


def _ends(regions: tuple[Region, ...], stored: np.dtype[Any]) -> list[int]:
    return [each.offset_bytes + each.height_px * each.width_px * stored.itemsize for each in regions]


def _binnings(root: ET.Element) -> dict[str, str | None]:
    """Return the binning of each mapping of a region to the sensor, by its id."""
    return {
        each.get("id", ""): binning(f"{each.get('xBinning')}x{each.get('yBinning')}")
        for each in root.findall("{*}Calibrations/{*}SensorMapping")
    }


def _acquisition(root: ET.Element) -> Acquisition:
    """Return camera, exposure and temperature, which the experiment tells if it was saved with the frames."""
    cameras = root.findall(
        "{*}DataHistories/{*}DataHistory/{*}Origin/{*}Experiment/{*}Devices/{*}Cameras/{*}Camera"
    )
    if len(cameras) != 1:
        return Acquisition()
    camera = cameras[0]
    exposure_ms = positive(camera.findtext("{*}ShutterTiming/{*}ExposureTime"))
    rate_mhz = positive(camera.findtext("{*}Adc/{*}Speed"))
    return Acquisition(
        camera=text(camera.get("model")),
        serial=text(camera.get("serialNumber")),
        gain=text(camera.findtext("{*}Adc/{*}AnalogGain")),
        em_gain=positive(camera.findtext("{*}Adc/{*}EMGain")),
        readout_mode=f"{rate_mhz:g} MHz" if rate_mhz else None,
        exposure_s=exposure_ms * _MS if exposure_ms else None,
        temperature_c=number(camera.findtext("{*}Sensor/{*}Temperature/{*}Reading")),
    )


def _count(element: ET.Element, name: str) -> int:
    value = element.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) < 16):  # noqa: PLR2004  # 1 PB
        raise ImageCorruptError(f"the SPE file's XML is broken: {name} is {text(value)}")
    return int(value)
