"""Division of planes among workers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_store.job_requests.plane_ranges import MAX_RANGES, ImageExtent, PlaneRange, divide

IMAGES = st.lists(
    st.tuples(st.integers(1, 300), st.integers(1, 5000)).map(lambda drawn: ImageExtent("", *drawn)),
    min_size=1,
    max_size=30,
)


def named(extents: list[ImageExtent]) -> list[ImageExtent]:
    return [ImageExtent(f"img_{n}", image.planes, image.plane_px) for n, image in enumerate(extents)]


def covered(images: list[ImageExtent], ranges: list[PlaneRange]) -> list[tuple[str, int]]:
    """Return the (image, plane) pairs in the order of the parts."""
    planes_of = {image.image_id: image.planes for image in images}
    met = []
    for part in ranges:
        first, remaining = part.first_plane, part.planes
        for image_id in part.image_ids:
            taken = range(first, min(planes_of[image_id], first + remaining))
            assert taken, "an image is named of which there is nothing to compute"
            met += [(image_id, plane) for plane in taken]
            first, remaining = 0, remaining - len(taken)
        assert remaining == 0
    return met


@given(extents=IMAGES, part_pixels=st.integers(1, 10_000_000))
def test_every_plane_is_in_exactly_one_part_and_in_order(
    extents: list[ImageExtent], part_pixels: int
) -> None:
    images = named(extents)
    ranges = divide(images, part_pixels)
    assert 1 <= len(ranges) <= MAX_RANGES
    assert covered(images, ranges) == [
        (image.image_id, plane) for image in images for plane in range(image.planes)
    ]


@given(extents=IMAGES, part_pixels=st.integers(1, 10_000_000))
def test_parts_are_about_equal_and_not_larger_than_the_limit(
    extents: list[ImageExtent], part_pixels: int
) -> None:
    images = named(extents)
    pixels = {image.image_id: image.plane_px for image in images}
    largest = max(pixels.values())
    total = sum(image.planes * image.plane_px for image in images)
    fair = max(part_pixels, total / MAX_RANGES)
    for part in divide(images, part_pixels):
        met = covered(images, [part])
        assert sum(pixels[image_id] for image_id, _ in met) <= fair + largest


@pytest.mark.parametrize(
    ("planes", "part_planes", "sizes"),
    [
        (1, 16, [1]),
        (16, 16, [16]),
        (17, 16, [8, 9]),
        (40, 16, [10, 10, 10, 10]),
        (2, 1, [1, 1]),
        (3, 1, [1, 1, 1]),
        (1, 0.1, [1]),
    ],
)
def test_two_workers_get_equal_shares(planes: int, part_planes: float, sizes: list[int]) -> None:
    plane_px = 512 * 512
    ranges = divide([ImageExtent("img", planes, plane_px)], int(part_planes * plane_px))
    assert [part.planes for part in ranges] == sizes


def test_a_part_names_only_the_images_it_reads() -> None:
    images = [ImageExtent(f"img_{n}", 1, 1000) for n in range(1000)]
    ranges = divide(images, 20_000)
    assert len(ranges) == 50
    assert all(len(part.image_ids) == 20 for part in ranges)
