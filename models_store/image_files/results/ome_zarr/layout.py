"""Where the planes of an image belong in an OME-Zarr, whose axes are T, C, Z, Y and X in this order."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from models_store.errors import JobFailedError
from models_store.image_files.header import ImageHeader
from models_store.image_files.results.unknown_pages import with_known_axes

_ORDER = "TCZ"
_POSITIONS = "PR"
_TILE_PX = 1024
_SHARD_BYTES = 2**24


@dataclass(frozen=True)
class ZarrLayout:
    """Axes and shape of each image, (T, C, Z, Y, X) or fewer, and the number of images: one per position."""

    source_axes: str
    source_shape: tuple[int, ...]
    """Without Y and X."""
    plane_shape: tuple[int, int]

    @classmethod
    def of(cls, header: ImageHeader) -> "ZarrLayout":
        axes = with_known_axes(header.axes)[:-2]
        if not set(axes) <= set(_ORDER + _POSITIONS):
            raise JobFailedError(
                f"an OME-Zarr cannot hold the axes {header.axes}; ask for another output format"
            )
        return cls(axes, header.shape[:-2], (header.height_px, header.width_px))

    @property
    def axes(self) -> str:
        return "".join(axis for axis in _ORDER if axis in self.source_axes) + "YX"

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._length(axis) for axis in self.axes[:-2]) + self.plane_shape

    @property
    def images(self) -> int:
        return prod(self._length(axis) for axis in self.source_axes if axis in _POSITIONS)

    def length(self, axis: str) -> int:
        """Return the number of planes along an axis; 1 if there is no such axis."""
        return self._length(axis) if axis in self.source_axes else 1

    def place(self, plane: int) -> tuple[int, tuple[int, ...]]:
        """Return the image that a plane of the source belongs to, and its indices along the leading axes."""
        at: dict[str, int] = {}
        for axis, length in zip(reversed(self.source_axes), reversed(self.source_shape), strict=True):
            plane, at[axis] = divmod(plane, length)
        image = 0
        for axis in self.source_axes:
            if axis in _POSITIONS:
                image = image * self._length(axis) + at[axis]
        return image, tuple(at[axis] for axis in self.axes[:-2])

    def plane_at(self, image: int, place: Sequence[int]) -> int:
        """Return the plane of the source at these indices along the leading axes of an image."""
        at = dict(zip(self.axes, place, strict=False))
        for axis in reversed([axis for axis in self.source_axes if axis in _POSITIONS]):
            image, at[axis] = divmod(image, self._length(axis))
        plane = 0
        for axis, length in zip(self.source_axes, self.source_shape, strict=True):
            plane = plane * length + at[axis]
        return plane

    @property
    def fastest(self) -> int | None:
        """Return the index of the axis along which planes follow each other; None if that is positions."""
        last = self.source_axes[-1:]
        return self.axes.index(last) if last and last in self.axes else None

    def planes_of_shard(self, plane_bytes: int) -> int:
        """Return how many consecutive planes share a shard, so that small planes do not make many files."""
        if self.fastest is None:
            return 1
        return max(1, min(_SHARD_BYTES // plane_bytes, self.shape[self.fastest]))

    def chunk_of(self, level_shape: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape of a chunk: a plane, or a tile of a large one."""
        return (1,) * (len(self.axes) - 2) + tuple(min(side_px, _TILE_PX) for side_px in level_shape)

    def shard_of(self, level_shape: tuple[int, int], planes: int) -> tuple[int, ...]:
        """Return the shape of a shard: so many whole planes, in whole chunks."""
        chunk = self.chunk_of(level_shape)
        leading = [planes if axis == self.fastest else 1 for axis in range(len(chunk) - 2)]
        whole = (
            -(-side_px // tile_px) * tile_px for side_px, tile_px in zip(level_shape, chunk[-2:], strict=True)
        )
        return (*leading, *whole)

    def _length(self, axis: str) -> int:
        return self.source_shape[self.source_axes.index(axis)]
