"""PlaneSequence adapters of image files for the engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import PlaneSource, ResultFormat
from worker.engine.planes.copies import Copies
from worker.engine.planes.neighbours import Neighbours
from worker.planes.observed_plane import ObservedPlane
from worker.planes.observed_stack import ObservedStack
from worker.planes.torn_planes import RepeatedRowsOfPlanes, TornPlanes, without_rows


class FloatPlanes:
    """PlaneSequence of all planes of some images, one after the other, as float32 ADU.

    Pixels without a measurement are NaN, and so are torn planes, and planes or rows that copy those of
    another plane read before: what is learned from planes counts each frame once.
    """

    def __init__(self, stacks: Sequence[ObservedStack]) -> None:
        self._places = [(stack, index) for stack in stacks for index in range(len(stack))]
        self._copies = Copies()
        self._torn = TornPlanes(len(self._places), self._observed)
        self._repeated = RepeatedRowsOfPlanes()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int, /) -> NDArray[np.float32]:
        plane = self._observed(index)
        if self._copies.is_copy(index, plane.source_yx) or self._torn.is_torn(plane):
            return plane.unknown()
        return without_rows(plane.input_yx, self._repeated.in_plane(index, plane.rows))

    def neighbours(self, index: int, reach: int) -> Neighbours:
        """Return the planes at most `reach` before and after a plane in its image."""
        stack, place = self._places[index]
        return stack.neighbours(place, reach)

    def places_beside(self, index: int, reach: int) -> Mapping[int, int]:
        """Return the indices of those planes by offset, whatever they hold."""
        stack, place = self._places[index]
        return {offset: index - place + other for offset, other in stack.places_beside(place, reach).items()}

    def _observed(self, index: int) -> ObservedPlane:
        stack, place = self._places[index]
        return stack.plane(place)


class GroundTruthPlanes:
    """The ground truth of some planes of each image, by index; a single truth plane serves a whole image."""

    def __init__(self, truths: Sequence[PlaneSource], indices: Sequence[Sequence[int]]) -> None:
        self._places = [
            (truth, plane % len(truth))
            for truth, of_image in zip(truths, indices, strict=True)
            for plane in of_image
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int, /) -> NDArray[np.float32]:
        truth, plane = self._places[index]
        return truth[plane].astype(np.float32)


class MeasuredPlanes:
    """PlaneSource that reports the number of pixel bytes read."""

    def __init__(self, source: PlaneSource, on_read: Callable[[int], None]) -> None:
        self._source = source
        self._on_read = on_read

    @property
    def header(self) -> ImageHeader:
        return self._source.header

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int, /) -> NDArray[Any]:
        plane_yx = self._source[index]
        self._on_read(plane_yx.nbytes)
        return plane_yx

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        return self._source.result_format(dtype)
