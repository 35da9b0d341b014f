"""Submission of jobs: validation against the database, planning and insertion."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.evaluation import EvaluateSpec
from models_store.contracts.job_specs import (
    JobSpec,
    StoredSpec,
    dependencies,
    images_read,
    job_spec,
    networks_named,
    noise_models_named,
)
from models_store.contracts.noise_model_specs import (
    CheckNoiseModelSpec,
    FitNoiseModelSpec,
    PoolNoiseModelSpec,
)
from models_store.contracts.plans import Plan
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import ImageRole
from models_store.database.tables import Image, Job, Profile, Webhook
from models_store.errors import InvalidRequestError
from models_store.job_requests.calibration_rules import require_calibration
from models_store.job_requests.channel_rules import headers_of, require_channel_called
from models_store.job_requests.check_channels import check_channels
from models_store.job_requests.choose_noise_model import profile_name
from models_store.job_requests.evaluation_rules import require_comparable
from models_store.job_requests.expand_series import expand_series
from models_store.job_requests.named_models import check_named_models, check_sources, require_noise_model
from models_store.job_requests.pair_rules import require_role, require_training_pairs
from models_store.job_requests.plan_job import plan_job
from models_store.job_requests.plan_series import images_alike, joined, of_group
from models_store.job_requests.pooling_rules import require_pairs_to_pool
from models_store.repositories import webhooks
from models_store.repositories.images import get_images, hold_images
from models_store.repositories.jobs.locks import hold_needed
from models_store.repositories.jobs.rows import create_composite_job, create_job, get_job
from models_store.repositories.networks import hold_networks
from models_store.repositories.noise_model_history import hold_noise_models


def submit(session: Session, spec: JobSpec, now: datetime, *, part_pixels: int, job_id: str) -> Job:
    """Check, plan and insert a job. Raises NotFoundError if it refers to anything that does not exist."""
    spec = expand_series(session, spec)
    hold_images(session, images_read(spec))
    hold_needed(session, dependencies(spec))
    plan, profile = check_and_plan(session, spec, part_pixels)
    _hold_models(session, [spec, *(stage.spec for stage in plan.stages)])
    profile_id = profile.id if profile else None
    if isinstance(spec, DenoiseSpec) or len(plan.stages) > 1:
        job = create_composite_job(
            session, job_id=job_id, spec=spec, plan=plan, profile_id=profile_id, now=now
        )
    else:
        job = create_job(session, job_id=job_id, spec=spec, profile_id=profile_id, now=now, steps=plan.steps)
    if spec.webhook_url is not None:
        webhooks.register(session, job_id, spec.webhook_url)
    return job


def was_posted_as(session: Session, job_id: str, spec: JobSpec) -> bool:
    """Whether a job was posted with this spec, fields that its stored spec lacks taken as their defaults."""
    job = get_job(session, job_id)
    try:
        posted = job_spec.validate_python(job.spec)
    except ValidationError:
        return False
    webhook = session.get(Webhook, job_id)
    url = webhook.url if webhook else None
    spec = expand_series(session, spec)
    return posted.model_dump_json() == spec.model_dump_json() and url == spec.webhook_url


def _hold_models(session: Session, specs: Sequence[StoredSpec]) -> None:
    """Lock named and reused models against deletion until the job is stored."""
    hold_networks(session, set().union(*map(networks_named, specs)))
    hold_noise_models(session, set().union(*map(noise_models_named, specs)))


def check_and_plan(session: Session, spec: JobSpec, part_pixels: int) -> tuple[Plan, Profile | None]:
    """Check and plan a job; return its plan and the common profile of its images.

    Raises NotFoundError, InvalidRequestError or ConflictError if the job cannot be executed.
    """
    if isinstance(spec, EvaluateSpec):
        return Plan(stages=[], steps=[]), require_comparable(session, spec)
    if isinstance(spec, PoolNoiseModelSpec):
        return Plan(stages=[], steps=[]), require_pairs_to_pool(session, spec)
    images = get_images(session, spec.image_ids)
    same_profile = list(images)
    if isinstance(spec, FitNoiseModelSpec):
        require_calibration(images)
        same_profile += _data_images(session, spec)
    if isinstance(spec, FitNoiseModelSpec | CheckNoiseModelSpec) and spec.dark_image_ids is not None:
        dark = get_images(session, spec.dark_image_ids)
        require_calibration(dark, "dark_image_ids")
        same_profile += dark
    profile = _common_profile(same_profile)
    check_named_models(session, spec)
    if isinstance(spec, CheckNoiseModelSpec):
        check_sources(session, spec, images)
        require_noise_model(session, spec, images, profile)
    if isinstance(spec, TrainSpec) and spec.ground_truth_ids is not None:
        require_training_pairs(images, get_images(session, spec.ground_truth_ids))
    groups = images_alike(spec, images)
    plans = []
    for group in groups:
        check_channels(session, spec, group, profile)
        own = of_group(spec, group) if len(groups) > 1 else spec
        plans.append(plan_job(session, own, group, profile, part_pixels))
    return joined(plans, groups), profile


def _data_images(session: Session, spec: FitNoiseModelSpec) -> list[Image]:
    images = get_images(session, spec.data_image_ids or ())
    require_role(images, ImageRole.DATA, "data_image_ids")
    if spec.for_channel is not None:
        require_channel_called(headers_of(images), spec.for_channel)
    return images


def _common_profile(images: list[Image]) -> Profile | None:
    profiles = {image.profile_id: image.profile for image in images}
    if len(profiles) > 1:
        names = sorted(profile_name(profile) or "none" for profile in profiles.values())
        raise InvalidRequestError(
            "image_ids: the images of one job share noise model and network, so they must come from one "
            f"acquisition profile, not from {', '.join(names)}; post one job per profile, or name the "
            "profile of all when you upload them"
        )
    return next(iter(profiles.values()))
