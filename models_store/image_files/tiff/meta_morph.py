"""Settings of the camera in files of MetaMorph (STK, and TIFF with its XML)."""

from tifffile import TiffFile

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.setting_values import binning, joined, mapping, number, positive, text
from models_store.image_files.tiff.tiff_file import BROKEN_FILE_ERRORS

_EXPOSURE_UNITS_S = {"ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "us": 1e-6}


def meta_morph_acquisition(tiff: TiffFile) -> Acquisition | None:
    """Return what the lines of name and value in the first page's description tell; None if it has none."""
    if not (tiff.is_stk or tiff.is_metaseries):
        return None
    try:
        plane = mapping(mapping(tiff.metaseries_metadata).get("PlaneInfo"))
    except BROKEN_FILE_ERRORS:  # tifffile parses the XML when it is asked for
        plane = {}
    description = plane.get("Description") or tiff.pages.first.description
    lines = {
        name.strip().lower(): value.strip()
        for name, colon, value in (line.partition(":") for line in str(description).splitlines())
        if colon
    }
    return Acquisition(
        camera=text(plane.get("Camera Name")),
        readout_mode=joined(lines.get("digitizer"), lines.get("readout mode")),
        gain=text(lines.get("gain")),
        em_gain=positive(lines.get("em gain") or lines.get("electron multiplication gain")),
        binning=binning(lines.get("binning")),
        exposure_s=_exposure_s(lines.get("exposure", "")),
        temperature_c=number(lines.get("temperature")),
        objective=text(plane.get("_MagSetting_")),
    )


def _exposure_s(written: str) -> float | None:
    value, _, unit = written.partition(" ")
    amount, factor = positive(value), _EXPOSURE_UNITS_S.get(unit.strip().lower())
    return amount * factor if amount and factor else None
