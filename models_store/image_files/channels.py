"""Channels of an image: their planes, names and surveys."""

import re
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.contracts.spec_parts import CHANNEL_LABEL
from models_store.image_files.header import ImageHeader
from models_store.image_files.plane_series import brightness_of_planes
from models_store.image_files.planes import PlaneSource
from models_store.survey.brightness import Brightness
from models_store.survey.repeated_rows import RowDigests
from models_store.survey.survey import Survey, survey_planes

_NAME = re.compile(CHANNEL_LABEL)
_SHOWN_CHARACTERS = 60
"""Of a channel's name in messages, whose length the database limits."""


def channels_of(header: ImageHeader) -> range:
    """Return the indices of the channels along the axis C; empty unless there are several."""
    count = dict(zip(header.axes, header.shape, strict=False)).get("C", 1)
    return range(count if count > 1 else 0)


def channel_of_plane(header: ImageHeader, plane: int) -> int:
    """Return the index along the axis C of a plane of an image with several channels."""
    axis = header.axes.index("C")
    return plane // prod(header.shape[axis + 1 : -2]) % header.shape[axis]


def planes_of_channel(header: ImageHeader, channel: int) -> list[int]:
    """Return the indices of a channel's planes, in ascending order."""
    axis = header.axes.index("C")
    adjacent = prod(header.shape[axis + 1 : -2])
    starts = range(channel * adjacent, header.planes, header.shape[axis] * adjacent)
    return [plane for start in starts for plane in range(start, start + adjacent)]


def channel_name(header: ImageHeader, channel: int) -> str | None:
    """Return a channel's name from the metadata; None if the names do not tell the channels apart."""
    names = [name.strip() for name in header.channel_names if _NAME.match(name.strip())]
    return names[channel] if len({*names}) == len(channels_of(header)) else None


def channel_label(header: ImageHeader, channel: int) -> str:
    """Return the name by which the registry knows a channel: its own, or its index if it has none."""
    return channel_name(header, channel) or str(channel)


def channel_called(header: ImageHeader, label: str) -> int | None:
    """Return the index of the channel that the registry knows by a name; None if there is none."""
    return next((each for each in channels_of(header) if channel_label(header, each) == label), None)


def channel_title(header: ImageHeader, channel: int) -> str:
    """Return a channel's number, counted from 1, and its name, for messages."""
    return title_of(channel, len(channels_of(header)), channel_name(header, channel))


def title_of(channel: int, channels: int, name: str | None) -> str:
    """Return the title of one of several channels, given its index."""
    named = f" ({name[:_SHOWN_CHARACTERS]})" if name else ""
    return f"channel {channel + 1} of {channels}{named}"


class ChannelPlanes:
    """Sequence of one channel's planes (Y, X), in their order in the file."""

    def __init__(self, source: PlaneSource, channel: int) -> None:
        self._source = source
        self._indices = planes_of_channel(source.header, channel)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int, /) -> NDArray[Any]:
        return self._source[self._indices[index]]


class _DigestedPlanes(ChannelPlanes):
    """Planes of a channel that keeps digests of those that were read, to compare channels with each other."""

    def __init__(self, source: PlaneSource, channel: int) -> None:
        super().__init__(source, channel)
        self.digests: dict[int, RowDigests] = {}

    def __getitem__(self, index: int, /) -> NDArray[Any]:
        plane_yx = super().__getitem__(index)
        if index not in self.digests:
            self.digests[index] = RowDigests.of(np.asarray(plane_yx))
        return plane_yx

    def are_copies_of(self, other: "_DigestedPlanes") -> bool:
        """Return whether all planes that were read are those of another channel, and not all empty."""
        if self.digests.keys() != other.digests.keys():
            return False
        pairs = [(rows, other.digests[index]) for index, rows in self.digests.items()]
        return any(one.is_copy_of(two) for one, two in pairs) and all(
            np.array_equal(one.digests, two.digests) for one, two in pairs
        )


def survey_image(planes: PlaneSource) -> Survey:
    """Survey an image, and each of its channels if there are several."""
    if not channels_of(planes.header):
        return _with_brightness(survey_planes(planes), brightness_of_planes(planes))
    read = [_DigestedPlanes(planes, channel) for channel in channels_of(planes.header)]
    channels = tuple(
        _with_brightness(survey_planes(each), brightness_of_planes(planes, channel))
        for channel, each in enumerate(read)
    )
    return Survey.of(channels).model_copy(update={"channels": channels, "copied_channels": _copied(read)})


def _copied(channels: Sequence[_DigestedPlanes]) -> tuple[tuple[int, int], ...]:
    """Return each channel that copies an earlier one, with the first of these."""
    copied = []
    for channel, planes in enumerate(channels):
        earlier = next((each for each in range(channel) if planes.are_copies_of(channels[each])), None)
        if earlier is not None:
            copied.append((channel, earlier))
    return tuple(copied)


def survey_channel(planes: PlaneSource, channel: int) -> Survey:
    """Survey one channel of an image."""
    survey = survey_planes(ChannelPlanes(planes, channel))
    return _with_brightness(survey, brightness_of_planes(planes, channel))


def _with_brightness(survey: Survey, brightness: Brightness | None) -> Survey:
    return survey.model_copy(update={"brightness": brightness})
