"""Survey of an image: computed once from a sample of its pixels and stored with it."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from models_store.survey.correlation import AxisSums, NeighbourCorrelation, axis_sums
from models_store.survey.defect_counts import DefectCounts, count_defects
from models_store.survey.defects import find_defects, without_defects
from models_store.survey.values import Values, values_of

SAMPLE_PX = 1 << 22
"""Number of sampled pixels, in planes evenly spaced over the image."""


class Planes(Protocol):
    """Planes (Y, X) of any real type, in ADU."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[Any]: ...


class Survey(BaseModel, frozen=True):
    """Statistics of a sample of an image's pixels; surveys of several images can be merged."""

    values: Values | None
    """None: no pixel holds data."""
    along_y: AxisSums
    along_x: AxisSums
    defects: DefectCounts | None = None
    """None: surveyed by a version that did not look for them."""

    @classmethod
    def of(cls, surveys: Iterable["Survey"]) -> "Survey":
        """Merge the surveys of several images."""
        several = list(surveys)
        return cls(
            values=Values.of(each.values for each in several if each.values is not None),
            along_y=AxisSums.of(each.along_y for each in several),
            along_x=AxisSums.of(each.along_x for each in several),
            defects=DefectCounts.of(each.defects for each in several if each.defects is not None),
        )

    @property
    def saturation_adu(self) -> float | None:
        return self.values.saturation_adu if self.values else None

    @property
    def noise_correlation(self) -> NeighbourCorrelation:
        return NeighbourCorrelation.of(self.along_y, self.along_x)


def survey_planes(planes: Planes) -> Survey:
    """Survey an image of at least one plane; holds one plane in memory at a time."""
    surveys = []
    for index in _sample_indices(planes):
        plane_yx = np.asarray(planes[index])
        defects = find_defects(plane_yx)
        along_y, along_x = axis_sums(without_defects(plane_yx, defects))
        surveys.append(
            Survey(
                values=values_of(plane_yx[defects.usable_yx]),
                along_y=along_y,
                along_x=along_x,
                defects=count_defects(plane_yx, defects),
            )
        )
    return Survey.of(surveys)


def _sample_indices(planes: Planes) -> Sequence[int]:
    count = min(len(planes), max(1, SAMPLE_PX // max(np.asarray(planes[0]).size, 1)))
    return [round(position) for position in np.linspace(0, len(planes) - 1, count)]
