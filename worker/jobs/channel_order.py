"""Planes of several channels in the order of their image."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from models_store.contracts.vocabulary import Output
from models_store.errors import JobFailedError
from models_store.image_files.channels import channel_of_plane, channel_title
from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import PlaneSource


def in_order(
    header: ImageHeader,
    streams: Mapping[int | None, Iterator[np.ndarray]],
    copied: Callable[[int], np.ndarray],
) -> Iterator[np.ndarray]:
    """Yield an image's planes (Y, X); the stream None has all of them, the others those of a channel each.

    `copied`: returns a plane of a channel without a stream. Streams are read to their ends. Raises
    JobFailedError if a stream is too short.
    """
    if None in streams:
        yield from streams[None]
        return
    for plane in range(header.planes):
        channel = channel_of_plane(header, plane)
        stream = streams.get(channel)
        plane_yx = copied(plane) if stream is None else next(stream, None)
        if plane_yx is None:
            raise JobFailedError(f"plane {plane}, of channel {channel}, was computed by no part of this job")
        yield plane_yx
    for stream in streams.values():
        # A stream compares its checksum after its last plane.
        deque(stream, maxlen=0)


class CopiedChannels:
    """Channels for which nothing is computed, so that their planes are copied.

    Their surveyed pixels have a single value, or the job was asked for another channel.
    """

    def __init__(self, warn: Callable[[str], None], asked: int | None = None) -> None:
        self._warn = warn
        self._asked = asked
        self.warnings: list[str] = []

    def plane(self, source: PlaneSource, plane: int, output: Output) -> np.ndarray:
        """Return a plane (Y, X) as float32, or its unknown standard deviation: NaN."""
        channel, plane_yx = channel_of_plane(source.header, plane), source[plane]
        title = channel_title(source.header, channel)
        if self._asked in {None, channel}:
            self._tell_of_empty(title, plane, plane_yx)
        else:
            self._tell(
                f"{title} is not the one that the job names, so its planes are copied, with their noise"
            )
        if output is Output.POSTERIOR_STD:
            return np.full(plane_yx.shape, np.nan, np.float32)
        return plane_yx.astype(np.float32)

    def _tell_of_empty(self, title: str, plane: int, plane_yx: np.ndarray) -> None:
        self._tell(f"{title} is empty (one value, or none), so its planes are copied")
        finite = plane_yx[np.isfinite(plane_yx)]
        if finite.size and finite.min() != finite.max():
            self._tell(
                f"{title}: plane {plane + 1} is not empty, but was copied like the others; denoise it as a "
                "file of its own"
            )

    def _tell(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
            self._warn(text)
