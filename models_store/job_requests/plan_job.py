"""Plan of a job, by its kind and by the channels of its images."""

from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import JobSpec
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import PredictSpec
from models_store.database.tables import Image, Profile
from models_store.image_files.header import ImageHeader
from models_store.job_requests.channel_rules import headers_of, require_same_channels
from models_store.job_requests.detector_levels import DetectorLevels, levels_of_image
from models_store.job_requests.known_models import known_models
from models_store.job_requests.named_models import uses_pretrained
from models_store.job_requests.noise_model_gate import require_fit_of_prediction
from models_store.job_requests.plan_channels import (
    ChannelToDenoise,
    extent_of_channel,
    plan_channels,
    plan_predictions,
)
from models_store.job_requests.plan_denoise import plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent, plan_prediction
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.registered_models import KnownModels
from models_store.survey.survey import Survey, stored_survey


def plan_job(
    session: Session, spec: JobSpec, images: list[Image], profile: Profile | None, part_pixels: int
) -> Plan:
    """Return the plan of a job; one without stages is executed as a whole."""
    if not isinstance(spec, DenoiseSpec | PredictSpec):
        return Plan(stages=[], steps=[])
    surveys = [survey for image in images if (survey := stored_survey(image.survey)) is not None]
    if channels := require_same_channels(headers_of(images)):
        to_denoise = _channels_to_denoise(session, spec, images, surveys, profile, channels, part_pixels)
        if isinstance(spec, PredictSpec):
            pretrained = uses_pretrained(session, spec)
            return plan_predictions(spec, to_denoise, _new_job_id, pretrained=pretrained)
        return plan_channels(spec, to_denoise, _new_job_id)
    extent = PredictionExtent([_extent(image) for image in images], part_pixels)
    survey = Survey.of(surveys) if len(surveys) == len(images) else None
    if isinstance(spec, PredictSpec):
        pretrained = uses_pretrained(session, spec)
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
