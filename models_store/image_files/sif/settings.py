"""Settings of the camera in the third line of an SIF file, and the line after it."""

import re
from collections.abc import Mapping

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.setting_values import amount, number, positive, text

# Single bytes of any value, a line's end too, stand between the numbers.
_LINE = re.compile(
    rb"[^\n]*\n[^\n]*\n65\d{3} \d+ \d+ \d+ (?P<unix_s>\d+) (?P<temperature>\S+) (?:[\s\S] ){5}"
    rb"\S+ (?P<exposure>\S+) \S+ \S+ \d+ [\s\S] (?P<cycle>\S+) (?P<pixel_readout>\S+) \S+ \S+ (?P<gain>\S+) "
    rb"(?:\S+ ){5}(?:[\s\S] ){2}(?:\S+ ){13}(?P<amplifier>\S+) (?P<pre_amplifier>\S+) (?P<serial>\S+) "
    rb"[^\n]*\n(?P<camera>[^\n]{1,100})\n"
)
_MULTIPLYING = "0"
_MHZ = 1e6


def recorded(head: bytes) -> Mapping[str, str]:
    """Return what the lines of a file tell, as text; empty if their version is another."""
    found = _LINE.match(head)
    return {name: value.decode("latin-1") for name, value in found.groupdict().items()} if found else {}


def acquisition(told: Mapping[str, str], binning_xy: tuple[int, int], region_height_px: int) -> Acquisition:
    """Return the settings of the camera; electron multiplication only of the amplifier that multiplies."""
    pixel_readout_s = positive(told.get("pixel_readout"))
    return Acquisition(
        camera=text(told.get("camera")),
        serial=text(told.get("serial")) if positive(told.get("serial")) else None,
        readout_mode=f"{1 / pixel_readout_s / _MHZ:g} MHz" if pixel_readout_s else None,
        gain=amount(told.get("pre_amplifier")) if positive(told.get("pre_amplifier")) else None,
        em_gain=positive(told.get("gain")) if told.get("amplifier") == _MULTIPLYING else None,
        binning=f"{binning_xy[0]}x{binning_xy[1]}",
        region_height=region_height_px,
        exposure_s=positive(told.get("exposure")),
        temperature_c=number(told.get("temperature")),
    )


def cycle_s(told: Mapping[str, str]) -> float | None:
    """Return the time from one frame to the next."""
    return positive(told.get("cycle"))
