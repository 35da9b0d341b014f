"""Rules for images with several channels: those of one job must have the same ones."""

from collections.abc import Sequence

from models_store.contracts.spec_parts import MAX_CHANNELS
from models_store.database.tables import Image
from models_store.errors import InvalidRequestError
from models_store.image_files.channels import channel_called, channel_label, channel_name, channels_of
from models_store.image_files.header import ImageHeader
from models_store.job_requests.pair_rules import describe_image


def require_same_channels(images: Sequence[Image]) -> range:
    """Return the channels of the images, none if each has a single one.

    Raises InvalidRequestError if their numbers or names differ, or if there are more than MAX_CHANNELS.
    """
    headers = {describe_image(image): ImageHeader.model_validate(image.header) for image in images}
    counts = {len(channels_of(header)) or 1: name for name, header in headers.items()}
    if len(counts) > 1:
        different = " and ".join(f"{name} has {count}" for count, name in sorted(counts.items()))
        raise InvalidRequestError(
            "image_ids: the images of one job share a network for each channel, so they must have the same "
            f"number of channels, but {different}; post one job for each number"
        )
    named = {names: name for name, header in headers.items() if (names := _names(header))}
    if len(named) > 1:
        different = " and ".join(f"{name} has {', '.join(names)}" for names, name in sorted(named.items()))
        raise InvalidRequestError(
            "image_ids: the images of one job share a network for each channel, so they must have the same "
            f"channels in the same order, but {different}; post one job for each"
        )
    name, header = next(iter(headers.items()))
    require_few_channels(name, header)
    return channels_of(header)


def require_few_channels(name: str, header: ImageHeader) -> None:
    """Raise InvalidRequestError if an image has more than MAX_CHANNELS channels."""
    count = len(channels_of(header))
    if count > MAX_CHANNELS:
        raise InvalidRequestError(
            f"{name} has {count} channels, and each channel is denoised with networks of its own, up to "
            f"{MAX_CHANNELS}; if these are times or positions, correct the file's axes ({header.axes}), else "
            "divide it"
        )


def require_channel(images: Sequence[Image], channel: int) -> None:
    """Raise InvalidRequestError unless each image has several channels, and this one (from 0) among them."""
    for image in images:
        channels = channels_of(ImageHeader.model_validate(image.header))
        if channel not in channels:
            has = (
                f"the channels 0 to {len(channels) - 1}; name one of these"
                if channels
                else "a single channel; leave the channel out"
            )
            raise InvalidRequestError(f"channel: {describe_image(image)} has {has}")


def require_channel_called(images: Sequence[Image], label: str) -> None:
    """Raise InvalidRequestError if images with several channels have none of this name, or different ones."""
    channels = require_same_channels(images) if images else range(0)
    header = ImageHeader.model_validate(images[0].header) if channels else None
    if header is not None and channel_called(header, label) is None:
        raise InvalidRequestError(
            f"for_channel: {describe_image(images[0])} has no channel {label!r}, only "
            f"{', '.join(channel_label(header, channel) for channel in channels)}; name one of these"
        )


def _names(header: ImageHeader) -> tuple[str, ...]:
    return tuple(name for channel in channels_of(header) if (name := channel_name(header, channel)))
