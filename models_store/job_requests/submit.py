"""Submission of jobs: validation against the database, planning and insertion."""

from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
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
    BootstrapNoiseModelSpec,
    CheckNoiseModelSpec,
    FitNoiseModelSpec,
    PoolNoiseModelSpec,
)
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import PredictSpec
from models_store.contracts.spec_parts import PACKAGED, PRETRAINED, MadeByJob, Reference
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import ImageRole, Method, NoiseModelKind
from models_store.database.tables import Image, Job, NoiseModelRow, Profile, Webhook
from models_store.errors import InvalidRequestError
from models_store.image_files.channels import channel_label
from models_store.image_files.header import ImageHeader
from models_store.job_requests.calibration_rules import require_calibration
from models_store.job_requests.channel_rules import (
    headers_of,
    require_channel_called,
    require_same_channels,
)
from models_store.job_requests.check_channels import check_channels
from models_store.job_requests.choose_noise_model import profile_name
from models_store.job_requests.detector_levels import DetectorLevels, levels_of_image
from models_store.job_requests.evaluation_rules import require_comparable
from models_store.job_requests.expand_series import expand_series
from models_store.job_requests.known_models import known_models
from models_store.job_requests.noise_model_gate import require_fit_of_prediction
from models_store.job_requests.pair_rules import require_role, require_training_pairs
from models_store.job_requests.plan_channels import (
    ChannelToDenoise,
    extent_of_channel,
    plan_channels,
    plan_predictions,
)
from models_store.job_requests.plan_denoise import plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent, plan_prediction
from models_store.job_requests.plan_series import images_alike, joined, of_group
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.pooling_rules import require_pairs_to_pool
from models_store.job_requests.registered_models import KnownModels
from models_store.job_requests.training_rules import (
    require_blind_spot,
    require_method,
    require_network_of_single_planes,
    require_source_of_residuals,
    require_start,
    require_teacher,
    require_what_the_method_needs,
    require_what_the_preset_needs,
    require_what_the_pretrained_network_needs,
)
from models_store.repositories import webhooks
from models_store.repositories.camera_checks import noise_model_of_profile
from models_store.repositories.images import get_images, hold_images
from models_store.repositories.jobs.ends import stages_by_images
from models_store.repositories.jobs.lifecycle import require_obtainable
from models_store.repositories.jobs.locks import hold_needed
from models_store.repositories.jobs.rows import create_composite_job, create_job, get_job
from models_store.repositories.networks import get_network, hold_networks
from models_store.repositories.noise_model_history import hold_noise_models
from models_store.repositories.noise_models import get_noise_model
from models_store.survey.survey import Survey, stored_survey

MAKERS = {
    "network": ("train", "denoise"),
    "noise_model": ("fit_noise_model", "bootstrap_noise_model", "pool_noise_model", "denoise"),
}
"""Kinds of jobs whose result can be referred to as a network or noise model."""


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
    _check(session, spec)
    if isinstance(spec, CheckNoiseModelSpec):
        _check_sources(session, spec, images)
        _require_noise_model(session, spec, images, profile)
    if isinstance(spec, TrainSpec) and spec.ground_truth_ids is not None:
        require_training_pairs(images, get_images(session, spec.ground_truth_ids))
    groups = images_alike(spec, images)
    plans = []
    for group in groups:
        check_channels(session, spec, group, profile)
        own = of_group(spec, group) if len(groups) > 1 else spec
        plans.append(_plan(session, own, group, profile, part_pixels))
    return joined(plans, groups), profile


def _check(session: Session, spec: JobSpec) -> None:
    named = getattr(spec, "noise_model", None)
    for noise_model in named if isinstance(named, tuple) else [named]:
        if noise_model is not None:
            _check_reference(session, noise_model, "noise_model", get_noise_model)
            if isinstance(spec, DenoiseSpec) and spec.noise_model_kind is not None:
                _check_kind(get_noise_model(session, noise_model), spec.noise_model_kind)
    if isinstance(spec, DenoiseSpec):
        require_what_the_preset_needs(spec)
        _check_pretrained(session, spec, "pretrained", Method.PRETRAINED)
        _check_pretrained(session, spec, "pretrained_stack", Method.PRETRAINED_STACK)
    if isinstance(spec, TrainSpec):
        _check_training(session, spec)
    if isinstance(spec, PredictSpec):
        _check_prediction(session, spec)
    if isinstance(spec, BootstrapNoiseModelSpec) and spec.network != PRETRAINED:
        _check_reference(session, spec.network, "network", get_network)
        require_source_of_residuals(_method_of(session, spec.network), "network")


def _check_pretrained(
    session: Session, spec: DenoiseSpec | PredictSpec, field: str, expected: Method
) -> None:
    """Check a field that names an imported network, or the one that comes with ClearScope."""
    named = getattr(spec, field)
    if named not in {None, PACKAGED}:
        require_method(get_network(session, named).method, field, expected)


def _check_prediction(session: Session, spec: PredictSpec) -> None:
    if spec.network != PRETRAINED:
        _check_reference(session, spec.network, "network", get_network)
    if _uses_pretrained(session, spec):
        require_what_the_pretrained_network_needs(spec)
    else:
        require_network_of_single_planes(_method_of(session, spec.network), spec)
    _check_pretrained(session, spec, "pretrained_stack", Method.PRETRAINED_STACK)
    if spec.compare_with is not None:
        _check_reference(session, spec.compare_with, "network", get_network)
        require_blind_spot(_method_of(session, spec.compare_with), "compare_with")
    if spec.distilled is not None:
        _check_reference(session, spec.distilled, "network", get_network)
        require_method(_method_of(session, spec.distilled), "distilled", Method.DISTILLED)


def _plan(
    session: Session, spec: JobSpec, images: list[Image], profile: Profile | None, part_pixels: int
) -> Plan:
    """Return the plan of a job; one without stages is executed as a whole."""
    if not isinstance(spec, DenoiseSpec | PredictSpec):
        return Plan(stages=[], steps=[])
    surveys = [survey for image in images if (survey := stored_survey(image.survey)) is not None]
    if channels := require_same_channels(headers_of(images)):
        to_denoise = _channels_to_denoise(session, spec, images, surveys, profile, channels, part_pixels)
        if isinstance(spec, PredictSpec):
            pretrained = _uses_pretrained(session, spec)
            return plan_predictions(spec, to_denoise, _new_job_id, pretrained=pretrained)
        return plan_channels(spec, to_denoise, _new_job_id)
    extent = PredictionExtent([_extent(image) for image in images], part_pixels)
    survey = Survey.of(surveys) if len(surveys) == len(images) else None
    if isinstance(spec, PredictSpec):
        pretrained = _uses_pretrained(session, spec)
        require_fit_of_prediction(session, spec, survey, _levels(images))
        return plan_prediction(spec, extent, _new_job_id, pretrained=pretrained)
    known = known_models(session, spec, profile, survey, levels=_levels(images))
    correlation = survey.noise_correlation if survey else None
    return plan_denoise(spec, known, extent, _new_job_id, correlation=correlation)


def _new_job_id() -> str:
    return new_id("job")


def _channels_to_denoise(
    session: Session,
    spec: DenoiseSpec | PredictSpec,
    images: list[Image],
    surveys: list[Survey],
    profile: Profile | None,
    channels: range,
    part_pixels: int,
) -> list[ChannelToDenoise]:
    headers = [(image.id, ImageHeader.model_validate(image.header)) for image in images]
    # An image may have been surveyed before channels were.
    surveyed = [survey.channels for survey in surveys if survey.channels]
    found = []
    for channel in channels:
        complete = len(surveyed) == len(images)
        survey = Survey.of(each[channel] for each in surveyed) if complete else None
        known, levels = KnownModels(profile=None), _levels(images, channel)
        if spec.channel not in {None, channel}:
            pass  # Its planes are copied.
        elif isinstance(spec, DenoiseSpec):
            of_channel = headers[0][1], channel
            known = known_models(session, spec, profile, survey, levels=levels, of_channel=of_channel)
        else:
            require_fit_of_prediction(session, spec, survey, levels, channel)
        found.append(ChannelToDenoise(known, extent_of_channel(headers, channel, part_pixels), survey))
    return found


def _levels(images: list[Image], channel: int | None = None) -> list[DetectorLevels]:
    return [
        levels_of_image(ImageHeader.model_validate(image.header), image.requested_settings, channel)
        for image in images
    ]


def _extent(image: Image) -> ImageExtent:
    header = ImageHeader.model_validate(image.header)
    return ImageExtent.of(image.id, header, header.planes)


def _uses_pretrained(session: Session, spec: PredictSpec) -> bool:
    return spec.network == PRETRAINED or _method_of(session, spec.network) is Method.PRETRAINED


def _check_kind(noise_model: NoiseModelRow, expected: NoiseModelKind) -> None:
    if noise_model.kind != expected:
        raise InvalidRequestError(
            f"noise_model_kind: {noise_model.id} is of kind {noise_model.kind}, not {expected}; name another "
            "noise model, or leave the kind out"
        )


def _check_training(session: Session, spec: TrainSpec) -> None:
    require_what_the_method_needs(spec)
    if spec.teacher not in {None, PRETRAINED}:
        _check_reference(session, spec.teacher, "network", get_network)
        require_teacher(_method_of(session, spec.teacher), spec)
    if spec.start not in {None, PRETRAINED}:
        _check_reference(session, spec.start, "network", get_network)
        require_start(_method_of(session, spec.start), spec)


def _data_images(session: Session, spec: FitNoiseModelSpec) -> list[Image]:
    images = get_images(session, spec.data_image_ids or ())
    require_role(images, ImageRole.DATA, "data_image_ids")
    if spec.for_channel is not None:
        require_channel_called(headers_of(images), spec.for_channel)
    return images


def _check_sources(session: Session, spec: CheckNoiseModelSpec, images: list[Image]) -> None:
    """Check the source of the signal: the frames of calibration images, or a network."""
    if spec.network is None:
        if any(image.role is ImageRole.CALIBRATION for image in images):
            require_calibration(images)
        else:
            require_role(images, ImageRole.DATA, "image_ids")
        return
    require_role(images, ImageRole.DATA, "image_ids")
    _check_reference(session, spec.network, "network", get_network)
    require_blind_spot(_method_of(session, spec.network), "network")


def _require_noise_model(
    session: Session, spec: CheckNoiseModelSpec, images: list[Image], profile: Profile | None
) -> None:
    """Raise NotFoundError if a check names no noise model and there is no active one."""
    if spec.noise_model is not None:
        return
    channel = spec.for_channel
    if channel is None and spec.channel is not None:
        channel = channel_label(ImageHeader.model_validate(images[0].header), spec.channel)
    noise_model_of_profile(session, profile.id if profile else None, channel)


def _check_reference(
    session: Session, reference: Reference, kind: str, get_stored: Callable[[Session, str], object]
) -> None:
    if not isinstance(reference, MadeByJob):
        get_stored(session, reference)
        return
    job = get_job(session, reference.job)
    if job.kind not in MAKERS[kind]:
        raise InvalidRequestError(
            f"job {job.id} is of kind {job.kind}, which makes no {kind.replace('_', ' ')}; "
            f"name one of kind {' or '.join(MAKERS[kind])}"
        )
    if len(stages_by_images(job.stages)) > 1:
        raise InvalidRequestError(
            f"job {job.id} makes a {kind.replace('_', ' ')} for each kind of its images; name one of "
            "them by its id, once the job has ended"
        )
    if any(stage.channel is not None for stage in job.stages):
        raise InvalidRequestError(
            f"job {job.id} makes a {kind.replace('_', ' ')} for each channel of its images; name one of "
            "them by its id, once the job has ended"
        )
    require_obtainable(job)


def _method_of(session: Session, reference: Reference) -> Method:
    if isinstance(reference, MadeByJob):
        # A denoise job has no method; its network is the PN2V network.
        return Method(get_job(session, reference.job).spec.get("method", Method.PN2V))
    return get_network(session, reference).method


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
