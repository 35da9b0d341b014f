"""Division of the planes of a job's images into ranges for workers; pure functions."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from models_store.image_files.header import ImageHeader
from models_store.image_files.neighbour_axis import ALONE, NeighbourAxis

MAX_RANGES = 100
"""Each range costs a process start, loading the networks, and a few database rows."""


@dataclass(frozen=True)
class ImageExtent:
    """Size of an image, or of one of its channels."""

    image_id: str
    planes: int
    plane_px: int
    beside: NeighbourAxis = ALONE
    """The axis along which the planes may help each other."""

    @classmethod
    def of(
        cls, image_id: str, header: ImageHeader, planes: int, *, channel: int | None = None
    ) -> "ImageExtent":
        """Return the extent of so many of an image's planes, or of those of one channel of several."""
        beside = NeighbourAxis.of(header, channel)
        return cls(image_id, planes, header.height_px * header.width_px, beside)


@dataclass(frozen=True)
class PlaneRange:
    """Consecutive planes of consecutive images, starting at `first_plane` of the first image."""

    image_ids: list[str]
    first_plane: int
    planes: int


def divide(images: Sequence[ImageExtent], part_pixels: int, max_ranges: int = MAX_RANGES) -> list[PlaneRange]:
    """Split images between planes into ranges of about equal size, of at most about `part_pixels` pixels.

    Ranges are larger if a single plane is, or if there would be more than `max_ranges`.
    """
    planes_before = [0, *accumulate(image.planes for image in images)]
    pixels_before = [0, *accumulate(image.planes * image.plane_px for image in images)]
    total_px = pixels_before[-1]

    def plane_at(pixel: int) -> int:
        image = bisect_right(pixels_before, pixel) - 1
        return planes_before[image] + round((pixel - pixels_before[image]) / images[image].plane_px)

    def planes_between(first: int, stop: int) -> PlaneRange:
        first_image = bisect_right(planes_before, first) - 1
        touched = images[first_image : bisect_left(planes_before, stop)]
        return PlaneRange(
            [image.image_id for image in touched], first - planes_before[first_image], stop - first
        )

    count = min(_round_up_to_even(-(-total_px // part_pixels)), max_ranges)
    cuts = {plane_at(total_px * number // count) for number in range(count)} | {planes_before[-1]}
    return [planes_between(first, stop) for first, stop in pairwise(sorted(cuts))]


def _round_up_to_even(count: int) -> int:
    # Gives two workers, the usual number beyond one, equal shares.
    return count if count == 1 else count + count % 2
