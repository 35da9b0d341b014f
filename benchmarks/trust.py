"""Which results that were spoilt on purpose are not trusted, and which good ones are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from scipy.ndimage import gaussian_filter

from benchmarks.intervals import DETECTORS, detector, specimens
from models_store.contracts.noise_models import noise_model_parameters
from models_store.contracts.trust import TrustVerdict
from models_store.contracts.vocabulary import Output
from models_store.job_requests.noise_model_fit import judge_fit
from models_store.survey.survey import Survey, survey_planes
from worker.engine.networks.pretrained import packaged_network
from worker.engine.noise.fitting.select import SelectedNoiseModel
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.engine.prediction.choice import Choice
from worker.engine.simulation import Emccd, PhotonCounter
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.denoise import Denoiser, denoise_plane
from worker.jobs.plane_denoiser import PlaneDenoiser, Prepared
from worker.jobs.removed_noise import Judge
from worker.judging.image_facts import facts_of
from worker.judging.trust import Evidence, judgements
from worker.planes.observed_plane import ObservedPlane

PHOTONS = (30, 100, 300, 1000)
SIZE_PX = 192
GOOD = "good"
_CPU = torch.device("cpu")
_BACKGROUND = 0.05
_ERASED_PX = 24

Plane = NDArray[np.float32]
Spoil = Callable[[Plane], Plane]


@dataclass(frozen=True)
class TrustCase:
    """The verdict on one result; `changed`: its change, root mean square in noise deviations."""

    specimen: str
    detector: str
    photons: float
    result: str
    verdict: TrustVerdict
    sentence: str
    changed: float


def spoils() -> Mapping[str, Spoil]:
    return {
        GOOD: lambda good_yx: good_yx,
        "over-smoothed, sd 2 px": lambda good_yx: gaussian_filter(good_yx, 2),
        "over-smoothed, sd 3 px": lambda good_yx: gaussian_filter(good_yx, 3),
        "structure removed": without_brightest,
        "a fifth of its contrast lost": lambda good_yx: good_yx.mean() + 0.8 * (good_yx - good_yx.mean()),
    }


def without_brightest(good_yx: Plane) -> Plane:
    """Return the result with its brightest 24 x 24 pixels at the level of its surroundings."""
    smooth = gaussian_filter(good_yx, 6)
    y, x = (int(index) for index in np.unravel_index(np.argmax(smooth), smooth.shape))
    half = _ERASED_PX // 2
    spoilt = good_yx.copy()
    spoilt[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = np.quantile(good_yx, 0.2)
    return spoilt


def measure(photons: Sequence[float] = PHOTONS, names: Sequence[str] | None = None) -> Iterator[TrustCase]:
    """Denoise simulated images as `instant` does, spoil the results, and judge them as jobs do.

    The detectors take turns. The noise models that are wrong were made at another gain, for the same signals.
    """
    chosen = [each for each in specimens(SIZE_PX) if names is None or each[0] in names]
    turn = count()
    for name, light_yx in chosen:
        for most in photons:
            detector_name = DETECTORS[next(turn) % len(DETECTORS)]
            for result, found, changed in _judged(light_yx, detector_name, most):
                trust = judgements(found)[0].told()
                yield TrustCase(name, detector_name, most, result, trust.verdict, trust.sentence, changed)


def _judged(light_yx: NDArray[np.float64], name: str, most: float) -> Iterator[tuple[str, Evidence, float]]:
    observed_yx = detector(name, most, SIZE_PX).observe(
        most * (_BACKGROUND + light_yx), np.random.default_rng([5, int(most)])
    )
    survey, model = _bootstrapped(observed_yx)
    denoiser = _denoiser(model.fitted.model, bootstrapped=True)
    good_yx = _denoised(observed_yx, denoiser)
    noise_adu = denoiser.noise_model.variance_adu2(torch.from_numpy(good_yx).double()).sqrt().numpy()
    for result, spoil in spoils().items():
        spoilt_yx = spoil(good_yx).astype(np.float32)
        changed = float(np.sqrt(np.mean(((spoilt_yx - good_yx) / noise_adu) ** 2)))
        yield result, _evidence(observed_yx, spoilt_yx, denoiser, survey, model), changed
    for result, factor in (("noise model of 3 times the gain", 3.0), ("noise model of a third of it", 1 / 3)):
        wrong = _of_another_gain(light_yx, name, most, factor)
        misled = _denoiser(wrong.fitted.model, bootstrapped=False)
        misled_yx = _denoised(observed_yx, misled)
        changed = float(np.sqrt(np.mean(((misled_yx - good_yx) / noise_adu) ** 2)))
        yield result, _evidence(observed_yx, misled_yx, misled, survey, wrong), changed


def _of_another_gain(
    light_yx: NDArray[np.float64], name: str, most: float, factor: float
) -> SelectedNoiseModel[AnyNoiseModel]:
    """Return the noise model of the detector at another gain, with the light that gives the same signals."""
    like = detector(name, most, SIZE_PX)
    photons = most * (_BACKGROUND + light_yx) / factor
    rng = np.random.default_rng(8)
    if isinstance(like, PhotonCounter | Emccd):
        dark_adu = like.offset_adu
    else:
        dark_adu = float(like.signal_adu(np.zeros_like(photons)).mean())
    noisy_adu = dark_adu + factor * (like.observe(photons, rng).astype(np.float64) - dark_adu)
    return _bootstrapped(noisy_adu.astype(np.float32))[1]


def _bootstrapped(observed_yx: NDArray[np.generic]) -> tuple[Survey, SelectedNoiseModel[AnyNoiseModel]]:
    survey = survey_planes([observed_yx])
    planes = [observed_yx.astype(np.float32)]
    model = bootstrap_noise_model(
        planes, packaged_network(), facts=facts_of(survey), seed=0, device=_CPU, on_plane=lambda *_: None
    )
    return survey, model


def _denoiser(model: AnyNoiseModel, *, bootstrapped: bool) -> Denoiser:
    choice = Choice("pretrained", {}, "")
    return Denoiser(model, choice, pretrained=packaged_network(), bootstrapped=bootstrapped)


def _denoised(observed_yx: NDArray[np.generic], denoiser: Denoiser) -> Plane:
    return denoise_plane(observed_yx.astype(np.float32), denoiser, device=_CPU).image_yx


def _evidence(
    observed_yx: NDArray[np.generic],
    result_yx: Plane,
    denoiser: Denoiser,
    survey: Survey,
    model: SelectedNoiseModel[AnyNoiseModel],
) -> Evidence:
    """Return what a job knows of a result with this noise model."""
    parameters = noise_model_parameters.validate_python(model.fitted.model.parameters())
    known_adu = (parameters.signal_min_adu, parameters.signal_max_adu)
    prepared = Prepared(denoiser, known_signals_adu=known_adu)
    names = ((f"{SIZE_PX} px", number) for number in count(1))
    judge = Judge.of(prepared, survey.noise_correlation, names, _CPU)
    fixed = PlaneDenoiser((Output.DENOISED,), lambda _: {Output.DENOISED: result_yx}, keep_outliers=False)
    judge.watching(fixed).denoise(ObservedPlane.of(observed_yx))
    return Evidence(
        removed=judge.summary,
        figures=judge.figures,
        fit=judge_fit(parameters, survey, "the noise model", bootstrapped=True),
        bootstrapped=denoiser.bootstrapped,
        correlated=survey.noise_correlation.warning(),
    )


def table(cases: Sequence[TrustCase]) -> Table:
    """Render how many results are not trusted, and the largest change of one that is."""
    rendered = Table("result", *(f"{each:g} photons" for each in PHOTONS), "all", title="not trusted, of")
    for result in dict.fromkeys(case.result for case in cases):
        own = [case for case in cases if case.result == result]
        columns = [[case for case in own if case.photons == each] for each in PHOTONS]
        rendered.add_row(result, *(_cell(column) for column in [*columns, own]))
    return rendered


def _cell(cases: Sequence[TrustCase]) -> str:
    told = sum(case.verdict != "trust" for case in cases)
    missed = max((case.changed for case in cases if case.verdict == "trust"), default=0.0)
    return f"{told} of {len(cases)}" + (f" ({missed:.2f})" if missed else "")
