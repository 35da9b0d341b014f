"""A plane as a microscope recorded it: the network's input, and the pixels that a result takes over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.survey.defects import Defects, find_defects, without_defects
from models_store.survey.repeated_rows import RowDigests


@dataclass(frozen=True, eq=False)
class ObservedPlane:
    """A plane (Y, X) in the file's type, its defects, and the planes beside it by their offset, in ADU."""

    source_yx: NDArray[Any]
    defects: Defects
    neighbours: Mapping[int, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, source_yx: NDArray[Any]) -> "ObservedPlane":
        return cls(source_yx, find_defects(source_yx))

    @cached_property
    def input_yx(self) -> NDArray[np.float32]:
        """The plane as float32 ADU, NaN where it holds no measurement."""
        return without_defects(self.source_yx, self.defects)

    @cached_property
    def rows(self) -> RowDigests:
        return RowDigests.of(self.source_yx)

    @property
    def bytes_in_memory(self) -> int:
        return self.source_yx.nbytes + 3 * self.source_yx.size + self.input_yx.nbytes

    def completed(self, estimate_yx: NDArray[np.float32], *, keep_outliers: bool) -> NDArray[Any]:
        """Return an estimate of the signal with the source's missing pixels, and its outliers if kept."""
        kept_yx = ~self.defects.usable_yx if keep_outliers else self.defects.missing_yx
        return np.where(kept_yx, self.source_yx, estimate_yx) if kept_yx.any() else estimate_yx

    def unknown(self) -> NDArray[np.float32]:
        """Return a plane of NaN, the estimates of an empty plane."""
        return np.full(self.source_yx.shape, np.nan, dtype=np.float32)
