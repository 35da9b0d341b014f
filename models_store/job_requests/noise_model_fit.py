"""Whether a noise model explains an image, by the noise line of its survey."""

from dataclasses import dataclass

import numpy as np

from models_store.contracts.noise_model_fit import NoiseModelFit, Verdict
from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.noise_model_files.moments import variance_adu2
from models_store.survey.noise_line import NoisePoints

_WARNED, _REFUSED = 0.08, 0.45
"""Logarithms of the ratio of variances, image to model, beyond its error: see docs/results.md."""
_SIGNIFICANCE = 3.0  # standard errors
_ERROR_OF_ONE_PIXEL = 6.0
"""Of the logarithm: neighbouring differences share their noise, and structure scatters the points."""
_WARNED_OUTSIDE, _REFUSED_OUTSIDE = 0.1, 0.5
_MIN_POINTS = 3
_MARGIN = 1.0
"""Standard deviations of the noise by which the signals of an image may lie outside of the model's range."""


def judge_fit(
    parameters: GmmParameters | HistogramParameters, noise: NoisePoints, name: str
) -> NoiseModelFit | None:
    """Judge a noise model by an image's noise line; `name` is that of the model in the sentence.

    Return None if the image shows no noise to judge by.
    """
    signal, variance = np.array(noise.signal_adu), np.array(noise.variance_adu2)
    pixels = np.array(noise.pixels, dtype=np.float64)
    if not pixels.sum():
        return None
    margin_adu = _MARGIN * np.sqrt(variance)
    low_adu, high_adu = parameters.signal_min_adu, parameters.signal_max_adu
    inside = (signal >= low_adu - margin_adu) & (signal <= high_adu + margin_adu)
    with np.errstate(all="ignore"):  # polynomials of an imported file may overflow
        ratios = variance[inside] / variance_adu2(parameters, signal[inside].clip(low_adu, high_adu))
    ratios = ratios[np.isfinite(ratios)]
    ratio = float(np.median(ratios)) if ratios.size >= _MIN_POINTS else None
    figures = _Figures(
        ratio,
        _ERROR_OF_ONE_PIXEL / float(np.sqrt(pixels[inside].sum())) if ratio is not None else None,
        float(pixels[~inside].sum() / pixels.sum()),
    )
    told = _reason(parameters, figures, f"{signal.min():.4g} to {signal.max():.4g}")
    return NoiseModelFit(
        verdict=figures.verdict,
        variance_ratio=figures.ratio,
        ratio_error=figures.error,
        outside_share=figures.outside,
        told=f"{name} {told}" if told else None,
    )


def fit_with_drift(fit: NoiseModelFit | None, drift: str | None, name: str) -> NoiseModelFit | None:
    """Return the verdict with that of checks of the camera, at least a warning if it has drifted."""
    if drift is None:
        return fit
    told = f"{name} is of the camera as it was: {drift}; calibrate the camera again"
    if fit is None:
        fit = NoiseModelFit(verdict="ok", variance_ratio=None, ratio_error=None, outside_share=0.0)
    return fit.model_copy(
        update={
            "verdict": "warning" if fit.verdict == "ok" else fit.verdict,
            "drifted": True,
            "told": f"{fit.told}. Besides, {told}" if fit.told else told,
        }
    )


@dataclass(frozen=True)
class _Figures:
    ratio: float | None
    error: float | None
    outside: float

    @property
    def verdict(self) -> Verdict:
        if self.outside > _REFUSED_OUTSIDE or self.differs_by_more_than(_REFUSED):
            return "refuse"
        return "warning" if self.outside > _WARNED_OUTSIDE or self.differs_by_more_than(_WARNED) else "ok"

    def differs_by_more_than(self, limit: float) -> bool:
        """Return whether the logarithm of the ratio is beyond a limit and its error."""
        if self.ratio is None or self.error is None:
            return False
        return bool(abs(np.log(self.ratio)) > limit + _SIGNIFICANCE * self.error)


def _reason(parameters: GmmParameters | HistogramParameters, figures: _Figures, image_range: str) -> str:
    reasons = []
    if figures.ratio is not None and figures.differs_by_more_than(_WARNED):
        reasons.append(
            f"does not explain the noise of the images: its variance is {figures.ratio:.2g} times that of "
            "the model (another gain, offset, read noise or readout mode)"
        )
    if figures.outside > _WARNED_OUTSIDE:
        reasons.append(
            f"knows signals of {parameters.signal_min_adu:.4g} to {parameters.signal_max_adu:.4g} ADU, and "
            f"{100 * figures.outside:.0f} % of the pixels lie beyond them (signals of {image_range} ADU)"
        )
    return ", and ".join(reasons)
