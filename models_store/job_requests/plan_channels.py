"""Planning of denoise jobs for images with several channels; pure functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from models_store.contracts.job_specs import DenoiseSpec
from models_store.contracts.plans import Plan, PlanStep
from models_store.errors import InvalidRequestError
from models_store.image_files.channels import channels_of, planes_of_channel
from models_store.image_files.header import ImageHeader
from models_store.job_requests.plan_denoise import WEIGHTS, KnownModels, plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent, plan_assembly
from models_store.job_requests.plane_ranges import MAX_RANGES, ImageExtent
from models_store.survey.survey import Survey


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
    Empty channels have no stages. Raises InvalidRequestError if all are empty.
    """
    planned = sum(not channel.is_empty for channel in channels)
    if not planned:
        raise InvalidRequestError("image_ids: every channel is empty; there is nothing to denoise")
    plans = [
        _skipped(number) if channel.is_empty else _plan_channel(spec, number, channel, new_job_id)
        for number, channel in enumerate(channels)
    ]
    stages = [replace(stage, weight=stage.weight / planned) for plan in plans for stage in plan.stages]
    assembly = plan_assembly(spec, stages, new_job_id, weight=WEIGHTS["predict"])
    return Plan([*stages, assembly], [step for plan in plans for step in plan.steps])


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


def _skipped(channel: int) -> Plan:
    why = "the channel is empty (one value, or none), so its planes are copied"
    steps = [PlanStep(stage=stage, action="skip", why=why, channel=channel) for stage in WEIGHTS]
    return Plan([], steps)


def extent_of_channel(
    headers: Sequence[tuple[str, ImageHeader]], channel: int, part_pixels: int
) -> PredictionExtent:
    """Return the extent of one of several channels of images, given as ids and headers."""
    channels = len(channels_of(headers[0][1]))
    images = [
        ImageExtent(image_id, len(planes_of_channel(header, channel)), header.height_px * header.width_px)
        for image_id, header in headers
    ]
    return PredictionExtent(images, part_pixels, max(1, MAX_RANGES // channels))
