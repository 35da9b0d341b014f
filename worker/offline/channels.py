"""Channels of a command's image file, as plans take them."""

from models_store.image_files.channels import channels_of
from models_store.image_files.header import ImageHeader
from models_store.job_requests.plan_channels import ChannelToDenoise, extent_of_channel
from models_store.job_requests.plan_denoise import KnownModels
from models_store.survey.survey import Survey


def channels_to_denoise(image_id: str, header: ImageHeader, survey: Survey) -> list[ChannelToDenoise]:
    """Return the channels of an image, with one part each and no models to reuse; none if it has one."""
    pixels = header.planes * header.height_px * header.width_px
    return [
        ChannelToDenoise(
            KnownModels(profile=None),
            extent_of_channel([(image_id, header)], channel, pixels),
            survey.channels[channel],
        )
        for channel in channels_of(header)
    ]
