"""Whether a noise model explains an image, by the noise line of its survey."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models_store.contracts.noise_model_fit import NoiseModelFit, Verdict
from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.noise_model_files.moments import variance_adu2
from models_store.survey.survey import Survey

_WARNED, _WARNED_OF_BRIGHT, _REFUSED = 0.08, 0.045, 0.45
"""Logarithms of the ratio of variances, image to model, beyond its error: see docs/results.md."""
_BRIGHT = 10.0
"""Standard deviations of the noise that the signals of an image span if its noise is told well."""
_PER_CORRELATION = 2.0
"""Differences of neighbours lose twice their correlation of variance."""
_SIGNIFICANCE = 3.0  # standard errors
_ERROR_OF_ONE_PIXEL = 6.0
"""Of the logarithm: neighbouring differences share their noise, and structure scatters the points."""
_WARNED_OUTSIDE, _REFUSED_OUTSIDE = 0.1, 0.5
_WARNED_SATURATED = 0.001
_MIN_POINTS = 3
_MARGIN = 1.0
"""Standard deviations of the noise by which the signals of an image may lie outside of the model's range."""


def judge_fit(
    parameters: GmmParameters | HistogramParameters,
    survey: Survey,
    name: str,
    other_levels: Iterable[str] = (),
    *,
    bootstrapped: bool = False,
) -> NoiseModelFit | None:
    """Judge a noise model by the survey of images; `name` is that of the model in the sentence.

    `bootstrapped`: it was made from images alone, so that its own error is larger than that of a calibration.
    `other_levels`: clauses about levels of the detector that differ. They are warned of if the model explains
    the noise all the same. Return None if the images show nothing to judge by.
    """
    noise, other_levels = survey.noise, tuple(other_levels)
    saturated = _saturated_share(survey)
    figures = _Figures(None, None, 0.0, _WARNED, saturated, other_levels)
    signal, variance = np.array(noise.signal_adu), np.array(noise.variance_adu2)
    pixels = np.array(noise.pixels, dtype=np.float64)
    image_range = ""
    if pixels.sum():
        image_range = f"{signal.min():.4g} to {signal.max():.4g}"
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
            _WARNED if bootstrapped else _warned(survey),
            saturated,
            other_levels,
        )
    elif not other_levels and saturated <= _WARNED_SATURATED:
        return None
    told = _reason(parameters, figures, image_range)
    return NoiseModelFit(
        verdict=figures.verdict,
        variance_ratio=figures.ratio,
        ratio_error=figures.error,
        outside_share=figures.outside,
        saturated_share=saturated,
        other_levels=other_levels,
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
    warned: float
    """Limit of the logarithm of the ratio from which on it is told."""
    saturated: float
    other_levels: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        if self.outside > _REFUSED_OUTSIDE or self.differs_by_more_than(_REFUSED):
            return "refuse"
        if self.other_levels and (self.ratio is None or self.differs):
            return "refuse"
        doubts = self.outside > _WARNED_OUTSIDE, self.differs, self.saturated > _WARNED_SATURATED
        return "warning" if any(doubts) or self.other_levels else "ok"

    @property
    def differs(self) -> bool:
        return self.differs_by_more_than(self.warned)

    def differs_by_more_than(self, limit: float) -> bool:
        """Return whether the logarithm of the ratio is beyond a limit and its error."""
        if self.ratio is None or self.error is None:
            return False
        return bool(abs(np.log(self.ratio)) > limit + _SIGNIFICANCE * self.error)


def _warned(survey: Survey) -> float:
    """Return the limit of the logarithm, which is less where signals stand far out of the noise.

    In dim images the signals by which pixels are sorted hold noise themselves.
    """
    signal, variance = np.array(survey.noise.signal_adu), np.array(survey.noise.variance_adu2)
    correlation = survey.noise_correlation
    if correlation.hidden or np.ptp(signal) < _BRIGHT * np.sqrt(np.median(variance)):
        return _WARNED
    largest = max(abs(correlation.y), abs(correlation.x))
    return min(_WARNED_OF_BRIGHT + _PER_CORRELATION * largest, _WARNED)


def _saturated_share(survey: Survey) -> float:
    values = survey.values
    return values.saturated_px / values.pixels if values is not None and values.pixels else 0.0


def _reason(parameters: GmmParameters | HistogramParameters, figures: _Figures, image_range: str) -> str:
    reasons = []
    if figures.ratio is not None and figures.differs:
        reasons.append(
            f"does not explain the noise of the images: its variance is {figures.ratio:.3g} times that of "
            "the model (another gain, offset, read noise or readout mode)"
        )
    if figures.outside > _WARNED_OUTSIDE:
        reasons.append(
            f"knows signals of {parameters.signal_min_adu:.4g} to {parameters.signal_max_adu:.4g} ADU, and "
            f"{100 * figures.outside:.0f} % of the pixels lie beyond them (signals of {image_range} ADU)"
        )
    reasons += figures.other_levels
    if figures.saturated > _WARNED_SATURATED:
        reasons.append(
            f"does not describe saturated pixels, which are {100 * figures.saturated:.2g} % of the images'; "
            "their signal is unknown"
        )
    return ", and ".join(reasons)
