"""Check of what a job says of channels against its images, networks and noise models."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import JobSpec
from models_store.contracts.noise_model_specs import BootstrapNoiseModelSpec, CheckNoiseModelSpec
from models_store.contracts.prediction_specs import PredictSpec
from models_store.contracts.spec_parts import PACKAGED, PRETRAINED, MadeByJob, Reference
from models_store.contracts.train_spec import TrainSpec
from models_store.database.tables import Image, Profile
from models_store.errors import FieldError
from models_store.job_requests.channel_rules import (
    Headers,
    headers_of,
    require_channel,
    require_channel_of_network,
    require_noise_model_for_each_channel,
    require_one_channel,
)
from models_store.repositories.jobs.channels import channel_of_results
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.microscopes import get_profile
from models_store.repositories.networks import get_network
from models_store.repositories.noise_models import get_noise_model

WORKS_ON_ONE = TrainSpec | BootstrapNoiseModelSpec | CheckNoiseModelSpec
"""Jobs that make or check one network or noise model, so that their planes are those of one channel."""


def check_channels(session: Session, spec: JobSpec, images: Sequence[Image], profile: Profile | None) -> None:
    """Check the fields of a job that are about channels.

    `profile`: that of the images. Raises InvalidRequestError, and NotFoundError for unknown models.
    """
    headers = headers_of(images)
    if isinstance(spec, WORKS_ON_ONE):
        require_one_channel(headers, spec.channel)
    if isinstance(spec, PredictSpec | DenoiseSpec) and spec.channel is not None:
        require_channel(headers, spec.channel)
    elif isinstance(spec, PredictSpec):
        _check_prediction(session, spec, headers)
    if isinstance(spec, PredictSpec | DenoiseSpec) and isinstance(spec.noise_model, tuple):
        require_noise_model_for_each_channel(headers, spec.noise_model, spec.channel)
        _require_own_noise_models(session, spec.noise_model, profile)


def _check_prediction(session: Session, spec: PredictSpec, headers: Headers) -> None:
    """Check the networks of a prediction of all channels."""
    for field in ("network", "compare_with", "distilled", "pretrained_stack"):
        reference = getattr(spec, field)
        if reference is not None and (label := _channel_of_network(session, reference)) is not None:
            require_channel_of_network(headers, field, _described(reference), label)


def _channel_of_network(session: Session, network: Reference) -> str | None:
    """Return the channel that a network was or will be trained on alone; None: all planes."""
    if isinstance(network, MadeByJob):
        return channel_of_results(session, get_job(session, network.job))
    return None if network in {PRETRAINED, PACKAGED} else get_network(session, network).channel


def _require_own_noise_models(
    session: Session, named: Sequence[Reference | None], profile: Profile | None
) -> None:
    """Raise FieldError if a noise model belongs to another microscope than the images."""
    if profile is None:
        return
    for channel, reference in enumerate(named):
        owner = _profile_of_noise_model(session, reference) if reference is not None else None
        if reference is not None and owner is not None and owner.microscope_id != profile.microscope_id:
            raise FieldError(
                "noise_model",
                f"{_described(reference)}, named for channel {channel}, belongs to the microscope "
                f"{owner.microscope.name}, and the images to {profile.microscope.name}; name a noise model "
                "of that microscope, or null",
            )


def _profile_of_noise_model(session: Session, noise_model: Reference) -> Profile | None:
    if not isinstance(noise_model, MadeByJob):
        return get_noise_model(session, noise_model).profile
    profile_id = get_job(session, noise_model.job).profile_id
    return get_profile(session, profile_id) if profile_id else None


def _described(reference: Reference) -> str:
    return f"what job {reference.job} makes" if isinstance(reference, MadeByJob) else reference
