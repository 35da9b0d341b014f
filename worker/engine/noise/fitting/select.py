"""Select K and n by held-out likelihood, rejecting overconfident fits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

import torch

from worker.engine.noise.fitting.check import MAX_OVERCONFIDENCE, NoiseModelCheck, check_noise_model
from worker.engine.noise.fitting.fit import FittedNoiseModel, fit_gmm, mean_nll
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.noise.models.histogram import HistogramCounts, HistogramNoiseModel
from worker.engine.noise.models.kinds import Model_co

CANDIDATES = ((1, 2), (3, 2), (3, 3), (5, 3))
_HELD_OUT = 0.1
# Differences below this, in nats per pixel, do not improve images: the simpler model is selected.
_TOLERANCE_NLL = 0.005
_FURTHER_GAIN = 0.1
"""Of what the last components gained, what further ones gain at most: up to 0.06 on twelve fields."""


@dataclass(frozen=True)
class FitCandidate:
    """A fit with `components` and `coefficients`, scored on held-out pairs."""

    components: int
    coefficients: int
    held_out_nll: float
    fitted: FittedNoiseModel[GaussianMixtureNoiseModel]
    check: NoiseModelCheck


@dataclass(frozen=True)
class SelectedNoiseModel(Generic[Model_co]):
    """The selected noise model, its check, all candidates by rising complexity, the reason, and the pairs."""

    fitted: FittedNoiseModel[Model_co]
    check: NoiseModelCheck
    candidates: tuple[FitCandidate, ...]
    reason: str
    counts: PairCounts


def select_gmm(
    counts: PairCounts,
    *,
    generator: torch.Generator,
    candidates: Sequence[tuple[int, int]] = CANDIDATES,
    variance_floor_adu2: float | None = None,
) -> SelectedNoiseModel[GaussianMixtureNoiseModel]:
    """Fit each (K, n) of `candidates`, in rising complexity, and select the best by held-out likelihood.

    Narrow components may raise the likelihood and degrade the estimates, so overconfident fits
    (`check.overconfidence`) are rejected, unless all are. More components are not tried if the last ones
    gained so little that further ones would not be selected.
    """
    training, held_out = counts.unsaturated().split(_HELD_OUT, generator)
    fits: list[FitCandidate] = []
    for components, coefficients in candidates:
        if not _may_gain(fits, components):
            break
        fitted = fit_gmm(
            training,
            components,
            coefficients,
            variance_floor_adu2,
            generator=generator,
            starts=2 if components > 1 else 1,
        )
        fits.append(
            FitCandidate(
                components=components,
                coefficients=coefficients,
                held_out_nll=mean_nll(fitted.model, held_out),
                fitted=fitted,
                check=check_noise_model(fitted.model, training),
            )
        )
    sound = [fit for fit in fits if fit.check.overconfidence <= MAX_OVERCONFIDENCE]
    least_overconfident = min(fits, key=lambda fit: fit.check.overconfidence)
    best = min(fit.held_out_nll for fit in sound) if sound else least_overconfident.held_out_nll
    chosen = next((fit for fit in sound if fit.held_out_nll <= best + _TOLERANCE_NLL), least_overconfident)
    fitted = replace(
        chosen.fitted, pairs=counts.pairs, saturated=counts.saturated, not_finite=counts.not_finite
    )
    return SelectedNoiseModel(fitted, chosen.check, tuple(fits), _reason(chosen, fits), counts)


def _may_gain(fits: Sequence[FitCandidate], components: int) -> bool:
    """Return whether so many components may be selected, by what those of the fits before gained."""
    best: dict[int, float] = {}
    for fit in fits:
        best[fit.components] = min(fit.held_out_nll, best.get(fit.components, fit.held_out_nll))
    if components in best or len(best) < 2:  # noqa: PLR2004  # a gain is between two
        return True
    fewer, more = (best[each] for each in sorted(best)[-2:])
    return _FURTHER_GAIN * (fewer - more) > _TOLERANCE_NLL


def count_histogram(
    histogram: HistogramCounts, counts: PairCounts
) -> SelectedNoiseModel[HistogramNoiseModel]:
    """Return the noise model of a histogram with its check on the same pairs."""
    model = histogram.model()
    counts = counts.unsaturated()
    fitted = FittedNoiseModel(
        model, mean_nll(model, counts), histogram.pairs, counts.saturated, counts.not_finite
    )
    reason = f"a histogram of {model.bins} bins of {model.bin_width_adu:.4g} ADU"
    return SelectedNoiseModel(fitted, check_noise_model(model, counts), (), reason, counts)


def _reason(chosen: FitCandidate, fits: Sequence[FitCandidate]) -> str:
    scores = ", ".join(
        f"K={fit.components} n={fit.coefficients}: {fit.held_out_nll:.4f}"
        + (" (overconfident)" if fit.check.overconfidence > MAX_OVERCONFIDENCE else "")
        for fit in fits
    )
    return f"K={chosen.components} n={chosen.coefficients} by held-out nats per pixel ({scores})"
