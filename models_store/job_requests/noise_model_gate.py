"""Refusal of noise models that do not explain the images of a job."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from models_store.contracts.noise_model_fit import NoiseModelFit
from models_store.contracts.prediction_specs import PredictSpec
from models_store.contracts.spec_parts import MadeByJob, Reference
from models_store.database.tables import NoiseModelRow
from models_store.errors import UnforcedError
from models_store.job_requests.detector_levels import (
    DetectorLevels,
    levels_of_noise_model,
    other_levels,
)
from models_store.job_requests.noise_model_fit import fit_with_drift, judge_fit
from models_store.repositories.camera_checks import drift_of
from models_store.repositories.noise_models import get_noise_model, parameters_of
from models_store.survey.survey import Survey


def fit_of(
    noise_model: NoiseModelRow | None, survey: Survey | None, levels: Iterable[DetectorLevels] = ()
) -> NoiseModelFit | None:
    """Judge a noise model by the images' survey and levels; None if nothing is known of it."""
    if noise_model is None:
        return None
    name = f"the noise model {noise_model.id}"
    fit = None
    if survey is not None:
        parameters, own = parameters_of(noise_model), levels_of_noise_model(noise_model)
        other = other_levels(parameters, own, levels, survey.values)
        bootstrapped = noise_model.origin.is_of_data
        fit = judge_fit(parameters, survey, name, other, bootstrapped=bootstrapped)
    drift = drift_of(noise_model)
    return fit_with_drift(fit, drift.told if drift else None, name)


def fit_of_named(
    session: Session,
    named: Reference | None,
    survey: Survey | None,
    levels: Iterable[DetectorLevels] = (),
) -> NoiseModelFit | None:
    """Judge the noise model that a job names; one that is yet to be made is judged when it is used."""
    if named is None or isinstance(named, MadeByJob):
        return None
    return fit_of(get_noise_model(session, named), survey, levels)


def require_fit(fit: NoiseModelFit | None, *, force: bool) -> None:
    """Raise UnforcedError for a noise model that is refused, unless the job forces it."""
    if fit is not None and fit.verdict == "refuse" and not force:
        raise UnforcedError(
            "noise_model",
            f"{fit.told}",
            instead="name one of the images' detector and settings, leave it out to bootstrap one",
        )


def require_fit_of_prediction(
    session: Session,
    spec: PredictSpec,
    survey: Survey | None,
    levels: Iterable[DetectorLevels],
    channel: int | None = None,
) -> None:
    """Raise FieldError if a prediction names a noise model that does not explain the images or a channel."""
    named = spec.noise_model[channel or 0] if isinstance(spec.noise_model, tuple) else spec.noise_model
    require_fit(fit_of_named(session, named, survey, levels), force=spec.force)
