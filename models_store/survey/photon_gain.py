"""Gain by a file's own conversion of counts into photons, against that of the pixels' noise."""

import numpy as np

from models_store.survey.noise_line import NoisePoints

_MIN_POINTS = 8
_MIN_RISE = 2.0
"""By how much the brightest must be noisier than the darkest, in variance, for a gain to be certain."""
_CLOSE, _MIN_CLOSE_SHARE = 0.25, 0.75
_FAR = 1.25
_LEAST_PHOTONS = 16.0
"""Less is no number of photons at full scale; a writer may mean photons per count."""


def certain_gain_adu(noise: NoisePoints) -> float | None:
    """Return the gain in ADU per photon; None unless photons dominate the noise and points agree."""
    line = noise.line
    if line is None or len(noise.signal_adu) < _MIN_POINTS:
        return None
    fitted = line.variance_adu2(np.array(noise.signal_adu))
    close = np.abs(np.log(np.array(noise.variance_adu2) / fitted)) < _CLOSE
    if close.mean() < _MIN_CLOSE_SHARE or fitted[-1] < _MIN_RISE * fitted[0]:
        return None
    return line.gain_adu


def photon_gain_warning(
    noise: NoisePoints, photons_at_full_scale: float | None, bit_depth: int | None
) -> str | None:
    """Return a sentence if a file's conversion into photons does not fit the noise of its pixels."""
    if photons_at_full_scale is None or photons_at_full_scale < _LEAST_PHOTONS or bit_depth is None:
        return None
    measured_adu, told_adu = certain_gain_adu(noise), (2**bit_depth - 1) / photons_at_full_scale
    if measured_adu is None or 1 / _FAR <= measured_adu / told_adu <= _FAR:
        return None
    return (
        f"by the file, a photon makes {told_adu:.3g} ADU (PhotonConversionFactor: {photons_at_full_scale:g} "
        f"photons at full scale); by its noise, {measured_adu:.3g} ADU: the pixels were changed after "
        "the recording, or the detector multiplies with noise of its own, so photon numbers are uncertain"
    )
