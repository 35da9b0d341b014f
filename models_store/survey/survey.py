"""Survey of an image: computed once from a sample of its pixels and stored with it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from models_store.survey.blocks import blocks_of, is_large, middle_block, spread_parts
from models_store.survey.brightness import Brightness
from models_store.survey.byte_order import are_swapped
from models_store.survey.correlation import AxisSums, NeighbourCorrelation
from models_store.survey.correlation_estimates import CloserLook, axis_sums
from models_store.survey.defect_counts import DefectCounts, count_defects
from models_store.survey.defects import Defects, find_defects, without_defects
from models_store.survey.noise_line import NoisePoints, noise_points
from models_store.survey.plane_products import at_rest, difference_products, least_noise_adu2, plane_products
from models_store.survey.recent_defects import recent_defects
from models_store.survey.row_jumps import RowJumps, row_jump
from models_store.survey.values import Values, values_of

SAMPLE_PX = 1 << 22
"""Number of sampled pixels, in planes evenly spaced over the image."""

_MAX_TRIPLES = 8
"""Planes whose difference to the next ones is measured where structure hides the noise."""


SURVEY_VERSION: Final = 13
"""Version of the stored form; `stored_survey` takes no other."""


class Planes(Protocol):
    """Planes (Y, X) of any real type, in ADU."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[Any]: ...


class Survey(BaseModel, frozen=True):
    """Statistics of a sample of an image's pixels; surveys of several images can be merged."""

    version: Literal[13] = SURVEY_VERSION
    values: Values | None
    """None: no pixel holds data."""
    along_y: AxisSums
    along_x: AxisSums
    noise: NoisePoints
    defects: DefectCounts
    brightness: Brightness | None = None
    """Of the planes of one image, or of one of its channels; None for a single plane."""
    jumps: RowJumps | None = None
    """Torn planes among the sample of one image, or of one of its channels."""
    channels: tuple["Survey", ...] = ()
    """Surveys of the planes of each channel of one image; empty unless it has several."""
    copied_channels: tuple[tuple[int, int], ...] = ()
    """Channels whose sampled planes are pixel by pixel those of an earlier one: both, counted from 0."""

    @classmethod
    def of(cls, surveys: Iterable["Survey"]) -> "Survey":
        """Merge the surveys of several images, without those of their channels.

        Brightness and jumps are of the planes of one image: nothing is known of the order of several.
        """
        several = list(surveys)
        return cls(
            values=Values.of(each.values for each in several if each.values is not None),
            along_y=AxisSums.of(each.along_y for each in several),
            along_x=AxisSums.of(each.along_x for each in several),
            noise=NoisePoints.of(each.noise for each in several),
            defects=DefectCounts.of(each.defects for each in several),
            brightness=several[0].brightness if len(several) == 1 else None,
            jumps=several[0].jumps if len(several) == 1 else None,
        )

    @property
    def saturation_adu(self) -> float | None:
        return self.values.saturation_adu if self.values else None

    @property
    def noise_correlation(self) -> NeighbourCorrelation:
        return NeighbourCorrelation.of(self.along_y, self.along_x)


def stored_survey(document: Mapping[str, Any] | None) -> Survey | None:
    """Return a stored survey, or None if there is none of this version: the image is surveyed again."""
    if document is None or document.get("version") != SURVEY_VERSION:
        return None
    return Survey.model_validate(document)


def survey_planes(planes: Planes) -> Survey:
    """Survey an image of at least one plane; holds one in memory at a time, and a large one's masks."""
    values, products, noise, counts = [], [], [], []
    jumps: dict[int, int | None] = {}
    indices = _sample_indices(planes)
    for index in indices:
        plane_yx = np.asarray(planes[index])
        defects = recent_defects.of(plane_yx)
        values.append(_values(plane_yx, defects))
        measured_yx = without_defects(plane_yx, defects)
        parts = [*spread_parts(measured_yx)]
        products += [plane_products(part, len(indices) * len(parts)) for part in parts]
        noise += [noise_points(part, len(indices) * len(parts)) for part in parts]
        counts.append(count_defects(plane_yx, defects))
        jumps[index] = row_jump(measured_yx, step_adu=values[-1].step_adu) if values[-1] else None
    along_y, along_x = axis_sums(products)
    if NeighbourCorrelation.of(along_y, along_x).doubt():
        along_y, along_x = axis_sums(products, _closer_look(planes, indices))
    return Survey(
        values=Values.of(each for each in values if each is not None),
        along_y=along_y,
        along_x=along_x,
        noise=NoisePoints.of(noise),
        defects=DefectCounts.of(counts),
        jumps=RowJumps.of(jumps),
    )


def _values(plane_yx: NDArray[Any], defects: Defects) -> Values | None:
    found, swapped = [], []
    for block in blocks_of(plane_yx.shape, margin_px=0):
        usable = ~(defects.missing_yx[block.inner] | defects.outliers_yx[block.inner])
        found.append(values_of(plane_yx[block.inner][usable]))
        swapped.append(are_swapped(plane_yx[block.inner]))
    values = Values.of(each for each in found if each is not None)
    return values.model_copy(update={"swapped_bytes": True}) if values and all(swapped) else values


def _closer_look(planes: Planes, indices: Sequence[int]) -> CloserLook:
    """Measure differences of neighbouring planes, as far as they are at rest: a third plane tells."""
    first = [index for index in indices if index + 2 < len(planes)]
    first = first[:: max(len(first) // _MAX_TRIPLES, 1)][:_MAX_TRIPLES]
    found = []
    for index in first:
        one, two, three = (_measured(planes[each]) for each in range(index, index + 3))
        between = [
            difference_products(*pair, len(first)) for pair in ((one, two), (two, three), (one, three))
        ]
        if at_rest(between):
            found.append(between[0])
    return CloserLook(found, least_noise_adu2(_measured(planes[indices[0]]), len(indices)))


def _measured(plane_yx: NDArray[Any]) -> NDArray[Any]:
    """Return a plane without its defects, of a large one the middle."""
    plane_yx = np.asarray(plane_yx)
    if is_large(plane_yx.shape):
        plane_yx = middle_block(plane_yx)
    return without_defects(plane_yx, find_defects(plane_yx))


def _sample_indices(planes: Planes) -> Sequence[int]:
    count = min(len(planes), max(1, SAMPLE_PX // max(np.asarray(planes[0]).size, 1)))
    return [round(position) for position in np.linspace(0, len(planes) - 1, count)]
