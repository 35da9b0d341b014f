"""Channels of a command's images, as plans take them."""

from collections.abc import Sequence

from models_store.image_files.channels import channels_of
from models_store.job_requests.plan_channels import ChannelToDenoise, extent_of_channel
from models_store.job_requests.registered_models import KnownModels
from models_store.survey.survey import Survey
from worker.offline.series import OfflineImage


def channels_to_denoise(images: Sequence[OfflineImage]) -> list[ChannelToDenoise]:
    """Return the channels of images that have the same ones; none if these have one.

    Each has one part and no models to reuse.
    """
    headers = [(image.image_id, image.header) for image in images]
    pixels = pixels_of(images)
    return [
        ChannelToDenoise(
            KnownModels(profile=None),
            extent_of_channel(headers, channel, pixels),
            Survey.of(image.survey.channels[channel] for image in images),
        )
        for channel in channels_of(headers[0][1])
    ]


def pixels_of(images: Sequence[OfflineImage]) -> int:
    """Return the number of pixels of all planes."""
    headers = [image.header for image in images]
    return sum(header.planes * header.height_px * header.width_px for header in headers)
