"""Simulated datasets with exact ground truth: three kinds of specimen as in the paper, with sCMOS cameras."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import tifffile
from numpy.typing import NDArray

from models_store.errors import InvalidRequestError
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.simulation.specimen import Structures
from worker.reproduction.datasets import Dataset, FieldOfView, Region, divide

_SIDE_PX = 384
_FRAMES = 8
_CALIBRATION_FRAMES = 100
_BACKGROUND = 0.02
_PSF_SIGMA_PX = 1.0
"""Sampling of about the Nyquist rate."""

_REFERENCE_BINNING = 2
"""The references are oversampled by a factor of two: binning loses no detail."""

_OVEREXPOSURE = 1.2
"""Ratio of the brightest calibration signal to the brightest of the images, as in published calibrations."""

_MAX_PHOTONS = 20_000.0

RAW_PSNR_DB = 28.98
"""PSNR of the noisy images, as printed in the published notebooks for Convallaria."""


@dataclass(frozen=True)
class Specimen:
    """A kind of specimen with a counterpart in the paper."""

    name: str
    paper_column: str
    structures: Structures
    camera: str
    """Name of the camera's maps."""
    reference: str | None = None
    """File name of a clean image that is used instead of a simulation, if available."""


SPECIMENS = (
    Specimen("plant tissue", "Convallaria", "plant tissue", "pku"),
    Specimen("nuclei", "mouse nuclei", "nuclei", "miro", "ch1_gt_f32.tif"),
    Specimen("actin", "mouse actin", "filaments", "miro", "ch3_gt_f32.tif"),
)


def simulated_datasets(measured: Path | None, *, seed: int) -> list[Dataset]:
    """Return one dataset per kind of specimen.

    `measured` is a folder with `scmos_maps/pku.npz` and `miro.npz` (gain_adu_per_e, variance_adu2, optionally
    offset_adu), and with `miro/`, whose references serve as clean specimens; without it cameras and specimens
    are simulated.
    """
    return [_simulate(specimen, measured, seed + 1000 * index) for index, specimen in enumerate(SPECIMENS)]


class SimulatedCalibration(Sequence[NDArray[Any]]):
    """Frames of an iris out of focus, with signals up to `photons` and vignetting.

    Simulated on first access: a hundred frames take a second, and most fields are never used.
    """

    def __init__(self, camera: Scmos, photons: float, rng: np.random.Generator) -> None:
        self._camera = camera
        self._photons = photons
        self._rng = rng

    def __len__(self) -> int:
        return _CALIBRATION_FRAMES

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[NDArray[Any]]: ...

    def __getitem__(self, index: int | slice) -> NDArray[Any] | list[NDArray[Any]]:
        return self._frames[index]

    @cached_property
    def _frames(self) -> list[NDArray[Any]]:
        y, x = (np.linspace(-1, 1, size) for size in self._camera.gain_adu_per_e.shape)
        radius = np.hypot(y[:, None], x)
        scene_yx = self._photons * (_BACKGROUND + (1 - _BACKGROUND) / (1 + np.exp((radius - 0.7) / 0.1)))
        scene_yx *= 1 - 0.5 * radius**2 / 2
        return [self._camera.observe(scene_yx, self._rng) for _ in range(_CALIBRATION_FRAMES)]


def read_camera(maps: Path, shape_yx: tuple[int, int]) -> Scmos:
    """Read a camera from measured maps; raise InvalidRequestError if the file is invalid."""
    try:
        with np.load(maps, allow_pickle=False) as content:
            return Scmos.measured(
                shape_yx,
                gain_adu_per_e=content["gain_adu_per_e"],
                variance_adu2=content["variance_adu2"],
                offset_adu=content.get("offset_adu", 100.0),
            )
    except (OSError, KeyError, ValueError) as error:
        raise InvalidRequestError(
            f"{maps} cannot be read as camera maps (.npz with gain_adu_per_e and variance_adu2): {error}"
        ) from error


def _simulate(specimen: Specimen, measured: Path | None, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    brightness_yx, origin = _brightness(specimen, measured, seed)
    if measured is None:
        camera, maker = Scmos.with_maps(brightness_yx.shape, seed=seed), "a simulated sCMOS camera"
    else:
        camera = read_camera(measured / "scmos_maps" / f"{specimen.camera}.npz", brightness_yx.shape)
        maker = f"the measured maps of the {specimen.camera} sCMOS camera"
    supervised, scored, division = divide([brightness_yx.shape])
    photons = _photons_for(RAW_PSNR_DB, brightness_yx, camera, scored[0][1])
    field = FieldOfView(
        frames=tuple(camera.observe(photons * brightness_yx, rng) for _ in range(_FRAMES)),
        truth_yx=camera.signal_adu(photons * brightness_yx),
    )
    height, width = brightness_yx.shape
    return Dataset(
        name=specimen.name,
        fields=(field,),
        supervised=supervised,
        scored=scored,
        calibration=SimulatedCalibration(camera, _OVEREXPOSURE * photons, rng),
        paper_column=specimen.paper_column,
        notes=(
            f"{origin} under {maker}",
            f"{photons:.0f} photons at the brightest: raw images of {RAW_PSNR_DB} dB as published",
            "the truth is the mean of infinitely many frames",
            f"{_FRAMES} frames of one field of {height} x {width} pixels, {division}",
            f"calibration: {_CALIBRATION_FRAMES} frames of an iris out of focus, simulated with that camera",
        ),
    )


def _brightness(specimen: Specimen, measured: Path | None, seed: int) -> tuple[NDArray[np.float64], str]:
    """Return the relative brightness (Y, X), background .. 1, and a description of the specimen."""
    if measured is None or specimen.reference is None:
        shape_yx = (_SIDE_PX, _SIDE_PX)
        drawn = simulate_specimen(
            shape_yx,
            seed=seed,
            structures=specimen.structures,
            psf_sigma_px=_PSF_SIGMA_PX,
            background=_BACKGROUND,
        )
        return drawn, f"simulated {specimen.structures}"
    path = measured / "miro" / specimen.reference
    try:
        reference = tifffile.imread(path).astype(np.float64)
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"the clean image {path} cannot be read: {error}") from error
    reference = _binned(reference, _REFERENCE_BINNING)
    low, high = float(reference.min()), float(reference.max())
    brightness_yx = _BACKGROUND + (1 - _BACKGROUND) * (reference - low) / (high - low)
    return brightness_yx, f"MIRO's reference {path.name}, binned {_REFERENCE_BINNING} x {_REFERENCE_BINNING},"


def _binned(image: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    height, width = (size // factor for size in image.shape)
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _photons_for(
    raw_psnr_db: float, brightness_yx: NDArray[np.float64], camera: Scmos, region: Region
) -> float:
    """Find by bisection the photons at the brightest pixel that yield this PSNR of raw images in a region."""
    low, high = 1.0, _MAX_PHOTONS
    while high / low > 1.001:  # noqa: PLR2004  # finer than the random fluctuation of the noise
        middle = (low * high) ** 0.5
        signal_adu = camera.signal_adu(middle * brightness_yx)[region]
        variance_adu2 = float(camera.variance_adu2(middle * brightness_yx)[region].mean())
        psnr_db = 10 * np.log10(float(np.ptp(signal_adu)) ** 2 / variance_adu2)
        low, high = (middle, high) if psnr_db < raw_psnr_db else (low, middle)
    return low
