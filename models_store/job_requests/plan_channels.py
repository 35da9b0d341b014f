"""Planning of jobs for images with several channels; pure functions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.plans import Plan, PlanStep, StageName
from models_store.contracts.prediction_specs import PredictSpec
from models_store.errors import FieldError, InvalidRequestError
from models_store.image_files.channels import channels_of, planes_of_channel
from models_store.image_files.header import ImageHeader
from models_store.job_requests.plan_denoise import WEIGHTS, plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent, plan_assembly, plan_parts
from models_store.job_requests.plane_ranges import MAX_RANGES, ImageExtent
from models_store.job_requests.registered_models import KnownModels
from models_store.survey.survey import Survey

_EMPTY = "the channel is empty (one value, or none), so its planes are copied"
_ALL_EMPTY = "image_ids: every channel is empty; there is nothing to denoise"
_NOT_ASKED = "the job names another channel, so the planes of this one are copied"


@dataclass(frozen=True)
class ChannelToDenoise:
    """A channel of a job's images: its models in the registry, its planes, and their survey."""

    known: KnownModels
    extent: PredictionExtent
    survey: Survey | None
    """None if the channel has not been surveyed yet."""

    @property
    def is_empty(self) -> bool:
        """True if the surveyed pixels have a single value."""
        if self.survey is None:
            return False
        values = self.survey.values
        return values is None or values.min_adu == values.max_adu


def plan_channels(
    spec: DenoiseSpec, channels: Sequence[ChannelToDenoise], new_job_id: Callable[[], str]
) -> Plan:
    """Plan each channel as a job of its own, and one assembly of all result files.

    Stages of different channels do not depend on each other, so several workers compute them side by side.
    Empty channels, and those that the job does not name, have no stages. Raises InvalidRequestError if
    there is nothing to denoise.
    """
    asked, planned = _asked_and_planned(spec.channel, channels)
    plans = [
        _plan_channel(spec, number, channel, new_job_id)
        if number in planned
        else _skipped(number, WEIGHTS, _EMPTY if number in asked else _NOT_ASKED)
        for number, channel in enumerate(channels)
    ]
    stages = [replace(stage, weight=stage.weight / len(planned)) for plan in plans for stage in plan.stages]
    assembly = plan_assembly(spec, stages, new_job_id, weight=WEIGHTS["predict"])
    return Plan([*stages, assembly], [step for plan in plans for step in plan.steps])


def plan_predictions(
    spec: PredictSpec,
    channels: Sequence[ChannelToDenoise],
    new_job_id: Callable[[], str],
    *,
    pretrained: bool = False,
) -> Plan:
    """Plan the prediction of each channel, or of the one that the job names, and an assembly of the files.

    Raises InvalidRequestError if there is nothing to denoise.
    """
    asked, planned = _asked_and_planned(spec.channel, channels)
    plans = [
        plan_parts(
            spec,
            channels[number].extent,
            new_job_id,
            weight=1 / len(planned),
            channel=number,
            pretrained=pretrained,
        )
        if number in planned
        else _skipped(number, ["predict"], _EMPTY if number in asked else _NOT_ASKED)
        for number in range(len(channels))
    ]
    stages = [stage for plan in plans for stage in plan.stages]
    assembly = plan_assembly(spec, stages, new_job_id, weight=1.0)
    return Plan([*stages, assembly], [step for plan in plans for step in plan.steps])


def _asked_and_planned(
    only: int | None, channels: Sequence[ChannelToDenoise]
) -> tuple[Sequence[int], Sequence[int]]:
    """Return the channels that a job is asked for, and those of them that are not empty."""
    asked = range(len(channels)) if only is None else [only]
    planned = [number for number in asked if not channels[number].is_empty]
    if not planned:
        if only is not None:
            raise FieldError("channel", f"channel {only} is empty; there is nothing to denoise")
        raise InvalidRequestError(_ALL_EMPTY)
    return asked, planned


def _plan_channel(
    spec: DenoiseSpec, number: int, channel: ChannelToDenoise, new_job_id: Callable[[], str]
) -> Plan:
    return plan_denoise(
        spec,
        channel.known,
        channel.extent,
        new_job_id,
        correlation=channel.survey.noise_correlation if channel.survey else None,
        channel=number,
    )


def _skipped(channel: int, stages: Iterable[StageName], why: str) -> Plan:
    return Plan([], [PlanStep(stage=stage, action="skip", why=why, channel=channel) for stage in stages])


def extent_of_channel(
    headers: Sequence[tuple[str, ImageHeader]], channel: int, part_pixels: int
) -> PredictionExtent:
    """Return the extent of one of several channels of images, given as ids and headers."""
    channels = len(channels_of(headers[0][1]))
    images = [
        ImageExtent.of(image_id, header, len(planes_of_channel(header, channel)), channel=channel)
        for image_id, header in headers
    ]
    return PredictionExtent(images, part_pixels, max(1, MAX_RANGES // channels))
