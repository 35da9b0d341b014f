"""Simulated detectors with known noise."""

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float64]


class Detector(Protocol):
    """Records images; `photons` is the expected number of detected photons per pixel, (Y, X)."""

    @property
    def limit_adu(self) -> int:
        """Return the largest observation."""
        ...

    def signal_adu(self, photons: FloatImage) -> FloatImage:
        """Return the mean of the observations without saturation."""
        ...

    def variance_adu2(self, photons: FloatImage) -> FloatImage:
        """Return the variance of the observations without saturation, including rounding."""
        ...

    def observe(self, photons: FloatImage, rng: np.random.Generator) -> NDArray[Any]:
        """Return one noisy frame, in the integer type of the detector."""
        ...


@dataclass(frozen=True, eq=False)
class Scmos:
    """A scientific CMOS camera with a gain, an offset and a read noise per pixel.

    Observation = gain * Poisson(photons) + offset + Normal(0, read noise), rounded, 0 .. `limit_adu`.
    """

    gain_adu_per_e: FloatImage
    offset_adu: FloatImage
    read_noise_adu: FloatImage
    limit_adu: int = 65535

    @classmethod
    def with_maps(
        cls,
        shape_yx: tuple[int, int],
        *,
        seed: int,
        gain_adu_per_e: float = 2.2,
        offset_adu: float = 100.0,
        read_noise_adu: float = 3.0,
    ) -> Self:
        """Return a camera with random maps: gain spread 1 %, offset spread 1 ADU, log-normal read noise."""
        rng = np.random.default_rng(seed)
        return cls(
            gain_adu_per_e=gain_adu_per_e * rng.normal(1.0, 0.01, shape_yx),
            offset_adu=rng.normal(offset_adu, 1.0, shape_yx),
            read_noise_adu=read_noise_adu * rng.lognormal(0.0, 0.2, shape_yx),
        )

    @classmethod
    def measured(
        cls,
        shape_yx: tuple[int, int],
        *,
        gain_adu_per_e: NDArray[Any],
        variance_adu2: NDArray[Any],
        offset_adu: NDArray[Any] | float = 100.0,
    ) -> Self:
        """Return a camera with measured maps, as large as the image or repeated to its size.

        Implausible gains (below half or above twice the median) and variances that are not positive are
        measurement errors, and are replaced by the median.
        """
        median_gain, median_variance = float(np.nanmedian(gain_adu_per_e)), float(np.nanmedian(variance_adu2))
        gain, variance, offset = (
            _repeated(np.broadcast_to(each, gain_adu_per_e.shape), shape_yx)
            for each in (gain_adu_per_e, variance_adu2, offset_adu)
        )
        plausible = (gain > median_gain / 2) & (gain < median_gain * 2)
        return cls(
            gain_adu_per_e=np.where(plausible, gain, median_gain),
            offset_adu=offset,
            read_noise_adu=np.sqrt(np.where(variance > 0, variance, median_variance)),
        )

    def signal_adu(self, photons: FloatImage) -> FloatImage:
        return self.gain_adu_per_e * photons + self.offset_adu

    def variance_adu2(self, photons: FloatImage) -> FloatImage:
        return self.gain_adu_per_e**2 * photons + self.read_noise_adu**2 + 1 / 12

    def observe(self, photons: FloatImage, rng: np.random.Generator) -> NDArray[np.uint16]:
        read_noise = rng.standard_normal(photons.shape) * self.read_noise_adu
        recorded = self.gain_adu_per_e * rng.poisson(photons) + self.offset_adu + read_noise
        return np.rint(recorded).clip(0, self.limit_adu).astype(np.uint16)


def _repeated(values: NDArray[Any], shape_yx: tuple[int, int]) -> FloatImage:
    times = [-(-size // have) for size, have in zip(shape_yx, values.shape, strict=True)]
    return np.tile(values.astype(np.float64), times)[: shape_yx[0], : shape_yx[1]]


@dataclass(frozen=True)
class PhotonCounter:
    """A photomultiplier with 8-bit readout: few photons, tens of ADU each, clipped at `limit_adu`.

    A photon gives a pulse of `gain_adu_per_photon` on average, of relative spread `pulse_spread`; pulses
    add up, with Normal(0, `read_noise_adu`) and `offset_adu` on top.
    """

    gain_adu_per_photon: float = 20.0
    offset_adu: float = 4.0
    read_noise_adu: float = 1.0
    pulse_spread: float = 0.3
    limit_adu: int = 255

    def signal_adu(self, photons: FloatImage) -> FloatImage:
        return self.gain_adu_per_photon * photons + self.offset_adu

    def variance_adu2(self, photons: FloatImage) -> FloatImage:
        per_photon = self.gain_adu_per_photon**2 * (1 + self.pulse_spread**2)
        return per_photon * photons + self.read_noise_adu**2 + 1 / 12

    def observe(self, photons: FloatImage, rng: np.random.Generator) -> NDArray[np.uint8]:
        counted = rng.poisson(photons)
        spread = self.pulse_spread * np.sqrt(counted) * rng.standard_normal(photons.shape)
        pulses = self.gain_adu_per_photon * (counted + spread).clip(0)
        recorded = pulses + self.offset_adu + rng.normal(0, self.read_noise_adu, photons.shape)
        return np.rint(recorded).clip(0, self.limit_adu).astype(np.uint8)


@dataclass(frozen=True)
class Emccd:
    """An electron-multiplying CCD: the multiplication is random, which doubles the photon noise.

    A photoelectron becomes an exponentially distributed charge of `gain_adu_per_photon` on average (Basden et
    al. 2003, MNRAS 345, 985), with Normal(0, `read_noise_adu`) and `offset_adu` on top.
    """

    gain_adu_per_photon: float = 50.0
    offset_adu: float = 200.0
    read_noise_adu: float = 10.0
    limit_adu: int = 65535

    def signal_adu(self, photons: FloatImage) -> FloatImage:
        return self.gain_adu_per_photon * photons + self.offset_adu

    def variance_adu2(self, photons: FloatImage) -> FloatImage:
        return 2 * self.gain_adu_per_photon**2 * photons + self.read_noise_adu**2 + 1 / 12

    def observe(self, photons: FloatImage, rng: np.random.Generator) -> NDArray[np.uint16]:
        charge = self.gain_adu_per_photon * rng.standard_gamma(rng.poisson(photons))
        recorded = charge + self.offset_adu + rng.normal(0, self.read_noise_adu, photons.shape)
        return np.rint(recorded).clip(0, self.limit_adu).astype(np.uint16)
