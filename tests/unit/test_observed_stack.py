"""Neighbours of planes: along time or depth, within one channel, each plane read once."""

from collections.abc import Mapping

import numpy as np
import pytest

from models_store.image_files.header import ImageHeader
from models_store.image_files.stack_axis import StackAxis
from worker.planes.observed_stack import ObservedStack


def header(axes: str, shape: tuple[int, ...]) -> ImageHeader:
    return ImageHeader(
        axes=axes,
        shape=shape,
        dtype="float32",
        planes=int(np.prod(shape[:-2])),
        height_px=shape[-2],
        width_px=shape[-1],
        pixel_size_um=None,
        channel_names=(),
        file_kind="tiff",
        decoded_bytes=0,
    )


class Recorded:
    """Planes that count how often they are read; the value of each is its index."""

    def __init__(self, count: int, empty: frozenset[int] = frozenset()) -> None:
        self.reads: list[int] = []
        self._count = count
        self._empty = empty

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> np.ndarray:
        self.reads.append(index)
        pixels = np.random.default_rng(index).normal(index, 0.01, (20, 20)).astype(np.float32)
        return np.full_like(pixels, np.nan) if index in self._empty else pixels


def places(neighbours: Mapping[int, np.ndarray]) -> dict[int, int]:
    return {offset: round(float(np.nanmean(plane_yx))) for offset, plane_yx in neighbours.items()}


@pytest.mark.parametrize(
    ("axes", "shape", "one_channel", "index", "expected"),
    [
        ("TYX", (5, 20, 20), False, 0, {1: 1, 2: 2}),
        ("ZYX", (5, 20, 20), False, 2, {-2: 0, -1: 1, 1: 3, 2: 4}),
        ("IYX", (5, 20, 20), False, 4, {-1: 3, -2: 2}),
        ("TCYX", (4, 2, 20, 20), False, 3, {-1: 1, 1: 5, 2: 7}),
        ("TCYX", (4, 2, 20, 20), True, 1, {-1: 0, 1: 2, 2: 3}),
        ("TZYX", (3, 4, 20, 20), False, 5, {-1: 1, 1: 9}),
        ("PYX", (5, 20, 20), False, 2, {}),
        ("YX", (20, 20), False, 0, {}),
    ],
)
def test_neighbours_lie_along_time_or_else_depth(
    axes: str, shape: tuple[int, ...], index: int, expected: dict[int, int], *, one_channel: bool
) -> None:
    known = header(axes, shape)
    channels = shape[axes.index("C")] if one_channel else 1
    stack = ObservedStack(Recorded(known.planes // channels), StackAxis.of(known, one_channel=one_channel))
    assert places(stack.neighbours(index, 2)) == expected


def test_copies_are_no_neighbours_as_their_noise_is_no_other() -> None:
    frames = [np.random.default_rng(seed).normal(seed, 1, (20, 20)).astype(np.float32) for seed in range(3)]
    first, second, third = frames
    alternating = ObservedStack([first, second, first, second, third, second], StackAxis("T", 6, 1))
    assert set(alternating.neighbours(2, 3)) == {-1, 2}
    assert set(alternating.neighbours(4, 3)) == {-1, -2}
    torn = third.copy()
    torn[10:] = second[10:]
    assert set(ObservedStack([first, second, torn], StackAxis("T", 3, 1)).neighbours(2, 2)) == {-2}


def test_empty_planes_are_no_neighbours_and_each_plane_is_read_once() -> None:
    planes = Recorded(6, empty=frozenset({2}))
    stack = ObservedStack(planes, StackAxis("T", 6, 1))
    observed = list(stack.observed(range(6), 2))
    assert places(observed[3].neighbours) == {-2: 1, 1: 4, 2: 5}
    assert sorted(planes.reads) == list(range(6))


def test_the_only_plane_of_an_image_is_read_once_by_all_that_look_at_it() -> None:
    planes = Recorded(1)
    stack = ObservedStack(planes, None)
    assert stack.plane(0) is stack.plane(0)
    assert next(stack.observed([0], 0)).source_yx is stack.plane(0).source_yx
    assert planes.reads == [0]
