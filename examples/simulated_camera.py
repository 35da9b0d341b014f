"""A simulated camera that writes OME-TIFF files with its settings, as acquisition software does."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile
from numpy.typing import NDArray

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
SIZE_PX = 192


@dataclass(frozen=True)
class Camera:
    """A camera whose observations are gain * Poisson(photons) + offset + Normal(0, read noise), rounded."""

    model: str
    serial: str
    gain_name: str
    """The setting that files tell; the gain in ADU per photon is not written anywhere."""
    gain_adu: float
    offset_adu: float = 100.0
    read_noise_adu: float = 3.0
    readout_mhz: int = 100

    def observe(self, photons: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint16]:
        """Return a noisy image of the expected photons, of any shape."""
        noise_adu = rng.normal(0, self.read_noise_adu, photons.shape)
        observed_adu = self.gain_adu * rng.poisson(photons) + self.offset_adu + noise_adu
        return observed_adu.round().clip(0, 65535).astype(np.uint16)

    def record(self, path: Path, photons_tyx: NDArray[np.float64], rng: np.random.Generator) -> Path:
        """Write an OME-TIFF of one or several frames (T, Y, X) with the settings and the time."""
        frames = self.observe(photons_tyx, rng)
        with tifffile.TiffWriter(path) as tiff:
            for number, frame_yx in enumerate(frames):
                description = self._ome_xml(frames.shape) if number == 0 else None
                tiff.write(frame_yx, description=description, metadata=None, photometric="minisblack")
        return path

    def _ome_xml(self, shape_tyx: tuple[int, ...]) -> bytes:
        frames, height_px, width_px = shape_tyx
        now = datetime.now(UTC).isoformat()
        xml = f"""<OME xmlns="{OME}">
<Instrument ID="Instrument:0"><Detector ID="Detector:0" Model={quoteattr(self.model)}
 SerialNumber={quoteattr(self.serial)}/></Instrument>
<Image ID="Image:0"><AcquisitionDate>{now}</AcquisitionDate>
<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{width_px}" SizeY="{height_px}"
 SizeZ="1" SizeC="1" SizeT="{frames}"><Channel ID="Channel:0:0"><DetectorSettings ID="Detector:0"
 Gain={quoteattr(self.gain_name)} Binning="1x1" ReadOutRate="{self.readout_mhz}"/></Channel>
<TiffData/></Pixels></Image></OME>"""
        return xml.encode()


def specimen(rng: np.random.Generator, brightest_photons: float) -> NDArray[np.float64]:
    """Return the expected photons (1, Y, X) of round cells with bright spots."""
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    photons_yx = np.full((SIZE_PX, SIZE_PX), 0.03)
    for radius_px, height, count in ((22.0, 0.4, 10), (3.0, 0.6, 30)):
        for centre_y, centre_x in rng.uniform(0, SIZE_PX, (count, 2)):
            distance_px = np.hypot(y - centre_y, x - centre_x)
            photons_yx += height / (1 + np.exp((distance_px - radius_px) / 1.5))
    scaled_yx: NDArray[np.float64] = brightest_photons * photons_yx / photons_yx.max()
    return scaled_yx[None]


def defocused_light(frames: int, brightest_photons: float) -> NDArray[np.float64]:
    """Return the expected photons (T, Y, X) of a still scene that covers all brightnesses."""
    ramp_x = np.linspace(0.01, 1, SIZE_PX) * brightest_photons
    return np.broadcast_to(ramp_x, (frames, SIZE_PX, SIZE_PX)).copy()


def psnr_db(image_yx: NDArray[np.float64], truth_yx: NDArray[np.float64]) -> float:
    """Return the peak signal-to-noise ratio, with the range of the truth as the peak."""
    error = float(np.mean((image_yx - truth_yx) ** 2))
    return float(10 * np.log10(np.ptp(truth_yx) ** 2 / error))
