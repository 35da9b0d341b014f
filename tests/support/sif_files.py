"""Small SIF files as Andor's Solis writes them, by version of the format."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.microscope_files import noise

FIELDS = {
    "version": 65559,
    "amplifier": 0,
    "regions": 1,
    "bin_x": 2,
}
_LINES_OF_SPECTROGRAPH = (
    "65540 0 0 500 0 0 1200 1200\n0 10\n0 0 0 0 0  0 0 0 0 0 0 10\n0 SR303i\n0 10\n0 10\n0 0 \n"
    "65536 1 500 200\n5 SR163\n"
)
_LINES_OF_INTENSIFIER = "65536\n0 0 0 0 0 0 0 0\n" + 8 * "0\n"


def write_sif(
    path: Path, pixels_tyx: NDArray[np.float32] | None = None, ending: str = "", **changed: int
) -> Path:
    path.write_bytes(
        sif(noise(3, 20, 24, dtype="float32") if pixels_tyx is None else pixels_tyx, ending, **changed)
    )
    return path


def sif(pixels_tyx: NDArray[np.float32], ending: str = "", **changed: int) -> bytes:
    """Return a file of frames, binned 2 x 4; `ending`: lines after the frames' times."""
    frames, height_px, width_px = pixels_tyx.shape
    sizes = {"frames": frames, "total_px": pixels_tyx.size, "right": 2 * width_px}
    field = FIELDS | sizes | changed
    area = f"1 {4 * height_px} {field['right']} 1"
    times = "".join(f"{50_000 * frame}\n" for frame in range(frames))
    settings = (
        f"{field['version']} 0 0 1 1254330082 -70 \0 \0 \0 \5 \0 0 0.04 0.05 0.05 1 \0 0.05 1e-07 0 1 300 0 "
        f"2e-08 1e-08 0 0 \4 \0 1 0 4 0 0 0 0 0 1 0 0 1 5e-07 {field['amplifier']} 5.1 3425 1 1 -999 0 "
        "0 1 0 0 -1 4 12 30003 0 0 1 8\nDU897_BV \n 512 512 7\nfile.sif\n"
    )
    later = _LINES_OF_INTENSIFIER if field["version"] > 65565 else ""
    head = (
        f"Andor Technology Multi-Channel File\n65538 1\n{settings}65538 4\nuser\n65538 \1 \1 \3 \0 0 0\n"
        f"{_LINES_OF_SPECTROGRAPH}{later}65539 \1 \0 \1 \0 \1 \0\n0 1 0 0\n0 1 0 0\n0 1 0 0\n0\n16\n16\n"
        f"12\nPixel number6\nCounts12\nPixel number65538 {area} {field['frames']} "
        f"{field['regions']} {field['total_px']} {height_px * width_px}\n65538 {area} 4 {field['bin_x']} 0\n"
        f"{times}{ending}"
    )
    return head.encode("latin-1") + pixels_tyx.astype("<f4").tobytes() + b"0\n0\n0\n0\n"
