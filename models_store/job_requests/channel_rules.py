"""Rules for images with several channels: those of one job have the same ones, and each is named apart."""

from collections.abc import Mapping, Sequence

from models_store.contracts.spec_parts import MAX_CHANNELS
from models_store.database.tables import Image
from models_store.errors import FieldError, InvalidRequestError
from models_store.image_files.channels import channel_called, channel_label, channel_name, channels_of
from models_store.image_files.header import ImageHeader
from models_store.job_requests.pair_rules import describe_image

_MANY = 12

Headers = Mapping[str, ImageHeader]
"""Headers of a job's images, by the names that errors show."""


def headers_of(images: Sequence[Image]) -> Headers:
    return {describe_image(image): ImageHeader.model_validate(image.header) for image in images}


def require_same_channels(headers: Headers) -> range:
    """Return the channels of the images, none if each has a single one.

    Raises InvalidRequestError if their numbers or names differ, or if there are more than MAX_CHANNELS.
    """
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


def require_one_channel(headers: Headers, channel: int | None) -> None:
    """Require a channel (from 0) of images with several, and none of others.

    Raises FieldError that names the choices, and like `require_same_channels`.
    """
    if channel is not None:
        require_channel(headers, channel)
    elif require_same_channels(headers):
        name, header = next(iter(headers.items()))
        raise FieldError(
            "channel",
            f"{name} has several channels, each with a detector, a gain and dyes of its own, and this job "
            f"works on one; name {_choices(header)}",
        )


def require_channel(headers: Headers, channel: int) -> None:
    """Raise InvalidRequestError unless the images have the same channels, with this one (from 0)."""
    channels = require_same_channels(headers)
    if channel not in channels:
        name, header = next(iter(headers.items()))
        has = (
            f"{len(channels)} channels; name {_choices(header)}"
            if channels
            else "a single channel; leave the channel out"
        )
        raise FieldError("channel", f"{name} has {has}")


def require_channel_called(headers: Headers, label: str) -> None:
    """Raise InvalidRequestError if images with several channels have none of this name, or different ones."""
    channels = require_same_channels(headers) if headers else range(0)
    name, header = next(iter(headers.items()), ("", None))
    if header is not None and channels and channel_called(header, label) is None:
        raise InvalidRequestError(
            f"for_channel: {name} has no channel {label!r}, only "
            f"{', '.join(channel_label(header, channel) for channel in channels)}; name one of these"
        )


def require_channel_of_network(headers: Headers, field: str, network: str, label: str) -> None:
    """Refuse to apply a network that was trained on one channel to all channels of an image.

    `network`: its name in the error; `label`: that of its channel. Raises FieldError if the images have
    several.
    """
    for name, header in headers.items():
        if channels_of(header):
            raise FieldError(
                field,
                f"{network} was trained on the channel {label} alone, and {name} has several; name the "
                f"channel to denoise with it, {_choices(header)}, in the field channel",
            )


def require_noise_model_for_each_channel(
    headers: Headers, named: Sequence[object], only_channel: int | None = None
) -> None:
    """Raise FieldError unless a list has an entry for each channel of the images, and the job is for all."""
    if only_channel is not None:
        raise FieldError(
            "noise_model", "the job works on a single channel; name the noise model of that one alone"
        )
    name, header = next(iter(headers.items()))
    count = len(require_same_channels(headers)) or 1
    if len(named) != count:
        channels = f"{count} channels ({', '.join(_numbered(header))})" if count > 1 else "a single channel"
        raise FieldError(
            "noise_model",
            f"{len(named)} are named for {name}, which has {channels}; name one for each channel, in this "
            "order, or a single one for all",
        )


def channel_given(name: str, header: ImageHeader, text: str) -> int:
    """Return the index of the channel that a command's option names: its name, or else its index, from 0.

    Raises FieldError if there is none.
    """
    if (called := channel_called(header, text)) is not None:
        return called
    if text.isdecimal():
        require_channel({name: header}, int(text))
        return int(text)
    if not channels_of(header):
        raise FieldError("channel", f"{name} has a single channel; leave the channel out")
    raise FieldError("channel", f"{name} has no channel {text!r}; name {_choices(header)}")


def _choices(header: ImageHeader) -> str:
    *others, last = _numbered(header)
    return f"{', '.join(others)} or {last}" if others else last


def _numbered(header: ImageHeader) -> list[str]:
    """Return the indices of the channels, with their names; a range where they are many."""
    channels = channels_of(header)
    if len(channels) > _MANY:
        return [f"0 to {len(channels) - 1}"]
    names = ((channel, channel_name(header, channel)) for channel in channels)
    return [f"{channel} ({name})" if name else str(channel) for channel, name in names]


def _names(header: ImageHeader) -> tuple[str, ...]:
    return tuple(name for channel in channels_of(header) if (name := channel_name(header, channel)))
