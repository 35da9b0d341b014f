"""Images of several channels, each under the noise of a detector of its own."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.support.posted_jobs import upload

NAMES = ["DAPI", "GFP", "Cy5"]
GAINS_ADU = (0.5, 4.0, 30.0)
TIMES, CHANNELS, HEIGHT_PX, WIDTH_PX = 2, len(NAMES), 40, 32


def planes_of_dyes() -> NDArray[np.uint16]:
    """Return dim, medium and bright specimens (T, C, Y, X), each with noise of its own gain."""
    rng = np.random.default_rng(12)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX] / 6.0
    planes = [
        100
        + gain * (rng.poisson(30 + 15 * np.sin(y + number) * np.cos(x + time)) + rng.normal(0, 1, y.shape))
        for time in range(TIMES)
        for number, gain in enumerate(GAINS_ADU)
    ]
    return np.rint(planes).astype(np.uint16).reshape(TIMES, CHANNELS, HEIGHT_PX, WIDTH_PX)


def write_dyes(path: Path, planes_tcyx: NDArray[Any], names: list[str] | None = None) -> None:
    """Write an OME-TIFF whose channels have names."""
    metadata = {"axes": "TCYX", "Channel": {"Name": names or NAMES[: planes_tcyx.shape[1]]}}
    tifffile.imwrite(path, planes_tcyx, ome=True, metadata=metadata)


def upload_dyes(api: httpx.Client, folder: Path, planes_tcyx: NDArray[Any]) -> str:
    """Upload them as an image of the microscope `Scope`; return its id."""
    path = folder / "dyes.ome.tif"
    write_dyes(path, planes_tcyx)
    return upload(api, path, microscope="Scope")
