"""Pixel sizes in the private tags of electron and light microscopes' makers, as tifffile reads them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tifffile import TiffFile

from models_store.image_files.header import PixelSize
from models_store.image_files.tiff.tiff_file import BROKEN_FILE_ERRORS
from models_store.image_files.tiff.units import length_um

_TESCAN_TAG = 50431
_FEI_SECTIONS = ("Scan", "EScan", "IScan")
_ZEISS_NAMES = ("ap_image_pixel_size", "ap_pixel_size")
_WITH_UNIT = 3  # name, value, unit

_Lengths = tuple[float | None, ...]


def maker_size(tiff: TiffFile) -> PixelSize | None:
    """Return the pixel size that a maker's tag tells; None if there is none."""
    for read in (_fei, _zeiss, _tescan, _olympus, _meta_series, _stk, _lsm, _tvips):
        for x_um, y_um, z_um in _readable(read, tiff):
            if x_um and y_um:
                return PixelSize(x_um=x_um, y_um=y_um, z_um=z_um)
    return None


def _readable(read: Callable[[TiffFile], Iterator[_Lengths]], tiff: TiffFile) -> list[_Lengths]:
    try:
        return list(read(tiff))
    except BROKEN_FILE_ERRORS:  # tifffile parses these tags when they are asked for, and some are broken
        return []


def _in(unit: str, *lengths: object) -> _Lengths:
    return tuple(length_um(length, unit) for length in lengths)


def _fei(tiff: TiffFile) -> Iterator[_Lengths]:
    for name in _FEI_SECTIONS:
        section = _mapping(_mapping(tiff.fei_metadata).get(name))
        yield _in("m", section.get("PixelWidth"), section.get("PixelHeight"), None)


def _zeiss(tiff: TiffFile) -> Iterator[_Lengths]:
    for name in _ZEISS_NAMES:
        entry = _mapping(tiff.sem_metadata).get(name)
        if isinstance(entry, tuple) and len(entry) == _WITH_UNIT:
            yield _in(str(entry[2]), entry[1], entry[1], None)


def _tescan(tiff: TiffFile) -> Iterator[_Lengths]:
    tag = tiff.pages.first.tags.get(_TESCAN_TAG)
    content = tag.value if tag is not None else None
    if isinstance(content, bytes):
        lines = content.decode("latin-1").splitlines()
        told = {
            name.strip(): value for name, equals, value in (line.partition("=") for line in lines) if equals
        }
        yield _in("m", told.get("PixelSizeX"), told.get("PixelSizeY"), None)


def _olympus(tiff: TiffFile) -> Iterator[_Lengths]:
    sis = _mapping(tiff.sis_metadata)
    yield _in("m", sis.get("pixelsizex"), sis.get("pixelsizey"), None)


def _meta_series(tiff: TiffFile) -> Iterator[_Lengths]:
    plane = _mapping(_mapping(tiff.metaseries_metadata).get("PlaneInfo"))
    unit = str(plane.get("spatial-calibration-units", ""))
    if plane.get("spatial-calibration-state", True):
        yield _in(unit, plane.get("spatial-calibration-x"), plane.get("spatial-calibration-y"), None)


def _stk(tiff: TiffFile) -> Iterator[_Lengths]:
    stk = _mapping(tiff.stk_metadata)
    steps = stk.get("ZDistance")
    step = float(steps[0]) if steps is not None and len(steps) else None
    unit = str(stk.get("CalibrationUnits", ""))
    yield _in(unit, *(float(stk[name]) for name in ("XCalibration", "YCalibration")), step)


def _lsm(tiff: TiffFile) -> Iterator[_Lengths]:
    lsm = _mapping(tiff.lsm_metadata)
    yield _in("m", *(lsm.get(f"VoxelSize{axis}") for axis in "XYZ"))


def _tvips(tiff: TiffFile) -> Iterator[_Lengths]:
    tvips = _mapping(tiff.tvips_metadata)
    yield _in("nm", *(float(tvips[name]) for name in ("PixelSizeX", "PixelSizeY")), None)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
