"""Planes of images and results as tiles, ranges and profiles."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.viewing.pyramids import halved
from tests.support.answers import problem
from tests.support.lif_files import LifImage, lif_content
from tests.support.posted_jobs import upload
from tests.support.tiles import drawn, store, tile

RNG = np.random.default_rng(5)

MAGENTA = (255, 0, 255)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_tile_has_the_values_in_a_window_of_contrast(api: httpx.Client, tmp_path: Path, dtype: str) -> None:
    pixels_yx = (RNG.normal(60, 30, (48, 64))).clip(0 if dtype[0] == "u" else -1000).astype(dtype)
    planes = store(api, tmp_path, pixels_yx)
    shown_yx = tile(api, planes, low=20, high=90.5)
    np.testing.assert_array_equal(shown_yx, drawn(pixels_yx, 20, 90.5))
    inverted_yx = tile(api, planes, low=20, high=90.5, colours="inverted")
    np.testing.assert_array_equal(inverted_yx, 255 - shown_yx)


def test_all_sixteen_bits_of_a_file_are_seen(api: httpx.Client, tmp_path: Path) -> None:
    pixels_yx = (40_000 + RNG.integers(0, 8, (32, 32))).astype("uint16")
    shown_yx = tile(api, store(api, tmp_path, pixels_yx), low=40_000, high=40_007)
    assert len(np.unique(shown_yx)) == 8


def test_a_tint_stands_in_the_place_of_white(api: httpx.Client, tmp_path: Path) -> None:
    pixels_yx = RNG.integers(0, 256, (32, 40)).astype("uint8")
    planes = store(api, tmp_path, pixels_yx)
    shown_yxc = tile(api, planes, low=0, high=255, tint="FF8000")
    np.testing.assert_array_equal(shown_yxc[..., 0], pixels_yx)
    np.testing.assert_array_equal(shown_yxc[..., 1], np.rint(pixels_yx * (128 / 255)))
    assert not shown_yxc[..., 2].any()
    refused = api.get(f"{planes}/0/tiles/0/0_0.png?tint=FF8000&colours=diverging")
    assert "tint: diverging colours have none" in problem(refused, 422, "invalid-request")


def test_levels_are_rounded_means_down_to_one_tile(api: httpx.Client, tmp_path: Path) -> None:
    pixels_yx = RNG.integers(0, 60_000, (40, 1025)).astype("uint16")
    planes = store(api, tmp_path, pixels_yx)
    document = api.get(planes).json()
    assert document["tile_px"] == 512
    sizes = [
        (each["height_px"], each["width_px"], each["rows"], each["columns"]) for each in document["levels"]
    ]
    assert sizes == [(40, 1025, 1, 3), (20, 513, 1, 2), (10, 257, 1, 1)]
    even_yx = pixels_yx[:, :1024].astype(float)
    halved_yx = np.floor(even_yx.reshape(20, 2, 512, 2).mean(axis=(1, 3)) + 0.5)
    shown_yx = tile(api, planes, at="1/0_0", low=0, high=65_535)
    np.testing.assert_array_equal(shown_yx, drawn(halved_yx, 0, 65_535))
    last_yx = tile(api, planes, at="0/2_0", low=0, high=65_535)
    np.testing.assert_array_equal(last_yx, drawn(pixels_yx[:, 1024:], 0, 65_535))
    assert tile(api, planes, at="1/1_0").shape == (20, 1)


def test_missing_pixels_are_magenta_and_left_out_of_means(api: httpx.Client, tmp_path: Path) -> None:
    pixels_yx = RNG.normal(60, 9, (32, 600)).astype("float32")
    pixels_yx[4:8, :5] = np.nan
    pixels_yx[20, 30] = np.inf
    planes = store(api, tmp_path, pixels_yx)
    shown_yxc = tile(api, planes, low=30, high=90)
    missing_yx = ~np.isfinite(pixels_yx[:, :512])
    np.testing.assert_array_equal((shown_yxc == MAGENTA).all(axis=-1), missing_yx)
    known_yx = drawn(np.nan_to_num(pixels_yx[:, :512], posinf=0), 30, 90)
    np.testing.assert_array_equal(shown_yxc[~missing_yx], known_yx[~missing_yx][:, None].repeat(3, axis=1))
    reduced_yxc = tile(api, planes, at="1/0_0", low=30, high=90)
    assert (reduced_yxc[2:4, :2] == MAGENTA).all()
    assert (reduced_yxc[2, 2, 0], *reduced_yxc[10, 15]) == (
        drawn(pixels_yx[4:6, 5].mean(), 30, 90),
        *[drawn(np.delete(pixels_yx[20:22, 30:32].ravel(), 0).mean(), 30, 90)] * 3,
    )
    assert api.get(f"{planes}/0/range").json()["missing_px"] == 21


@pytest.mark.parametrize("dtype", ["int8", "uint32", "int64", "float64"])
def test_means_of_all_types_are_rounded(dtype: str) -> None:
    pixels_yx = RNG.integers(-100 if dtype != "uint32" else 0, 100, (6, 7)).astype(dtype)
    padded_yx = np.pad(pixels_yx.astype(float), ((0, 0), (0, 1)), mode="edge")
    means_yx = padded_yx.reshape(3, 2, 4, 2).mean(axis=(1, 3))
    expected_yx = means_yx if dtype == "float64" else np.floor(means_yx + 0.5)
    np.testing.assert_array_equal(halved(pixels_yx), expected_yx.astype(dtype))


def test_planes_are_numbered_in_the_order_of_the_axes(api: httpx.Client, tmp_path: Path) -> None:
    pixels = RNG.integers(0, 200, (3, 2, 32, 40)).astype("uint8")
    metadata: dict[str, Any] = {
        "axes": "ZCYX",
        "PhysicalSizeX": 0.1,
        "PhysicalSizeY": 0.2,
        "Channel": {"Name": ["DAPI", "GFP"]},
    }
    planes = store(api, tmp_path, pixels, ome=True, metadata=metadata)
    document = api.get(planes).json()
    assert (document["axes"], document["shape"], document["planes"]) == ("ZCYX", [3, 2, 32, 40], 6)
    assert [each["name"] for each in document["channels"]] == ["DAPI", "GFP"]
    assert document["pixel_size_um"]["y_um"] == pytest.approx(0.2)
    for number, plane_yx in enumerate(pixels.reshape(6, 32, 40)):
        np.testing.assert_array_equal(tile(api, planes, number, low=0, high=255), plane_yx)
    problem(api.get(f"{planes}/6/tiles/0/0_0.png"), 404, "not-found")
    problem(api.get(f"{planes}/6/range"), 404, "not-found")


def test_each_image_of_a_file_is_viewed_by_its_own_id(api: httpx.Client, tmp_path: Path) -> None:
    pixels = RNG.poisson(60, (2, 48, 64)).astype(np.uint8)
    scans = [LifImage(f"scan {n}", "YX", plane_yx, {}) for n, plane_yx in enumerate(pixels)]
    path = tmp_path / "scans.lif"
    path.write_bytes(lif_content(scans))
    upload_id = upload(api, path)
    series = api.get(f"/v1/images/{upload_id}").json()["series"]
    for plane_yx, each in zip(pixels, series, strict=True):
        shown_yx = tile(api, f"/v1/images/{each['image_id']}/planes", low=0, high=255)
        np.testing.assert_array_equal(shown_yx, plane_yx)
    detail = problem(api.get(f"/v1/images/{upload_id}/planes"), 422, "image-series")
    assert series[0]["image_id"] in detail


@pytest.mark.parametrize("at", ["0/1_0", "0/0_1", "1/0_0"])
def test_a_tile_beyond_the_plane_is_not_found(api: httpx.Client, tmp_path: Path, at: str) -> None:
    planes = store(api, tmp_path, RNG.integers(0, 200, (32, 40)).astype("uint8"))
    problem(api.get(f"{planes}/0/tiles/{at}.png"), 404, "not-found")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("low=9&high=9", "low: 9 must be below high, which is 9"),
        ("low=1", "both ends"),
        ("low=nan&high=3", "finite"),
        ("low=a&high=3", "low"),
        ("low=1&high=2&colours=jet", "grey"),
    ],
)
def test_a_wrong_window_is_refused(api: httpx.Client, tmp_path: Path, query: str, told: str) -> None:
    planes = store(api, tmp_path, RNG.integers(0, 200, (32, 40)).astype("uint8"))
    assert told in problem(api.get(f"{planes}/0/tiles/0/0_0.png?{query}"), 422, "invalid-request")


def test_a_known_tile_is_not_drawn_again(api: httpx.Client, tmp_path: Path) -> None:
    planes = store(api, tmp_path, RNG.integers(0, 200, (32, 40)).astype("uint8"))
    href = f"{planes}/0/tiles/0/0_0.png?low=1&high=9"
    first = api.get(href)
    assert first.headers["cache-control"] == "private, max-age=86400, immutable"
    image = planes.removesuffix("/planes")
    for answer in (first, api.get(f"{image}/preview.png"), api.get(f"{image}/content")):
        assert answer.headers["vary"] == "Cookie, Authorization"
    known = {"If-None-Match": first.headers["etag"]}
    again = api.get(href, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert api.get(f"{planes}/0/tiles/0/0_0.png?low=1&high=8", headers=known).status_code == 200


def test_the_range_of_a_plane_is_its_first_window(api: httpx.Client, tmp_path: Path) -> None:
    pixels_yx = RNG.poisson(200, (64, 64)).astype("uint16")
    pixels_yx[3, 3] = 65_535
    planes = store(api, tmp_path, pixels_yx)
    found = api.get(f"{planes}/0/range").json()
    low, high = np.percentile(pixels_yx, (0.5, 99.5))
    assert (found["low"], found["high"]) == (low, high)
    assert (found["minimum"], found["maximum"], found["missing_px"]) == (pixels_yx.min(), 65_535, 0)
    np.testing.assert_array_equal(tile(api, planes), drawn(pixels_yx, low, high))


def test_a_profile_has_the_values_along_a_line(api: httpx.Client, tmp_path: Path) -> None:
    pixels_yx = RNG.normal(60, 9, (32, 40)).astype("float32")
    pixels_yx[7, 3] = np.nan
    planes = store(api, tmp_path, pixels_yx, ome=True, metadata={"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5})
    row = api.get(f"{planes}/0/profile?from_x=2&from_y=5&to_x=12&to_y=5").json()
    assert row["distance_px"] == list(range(11))
    assert row["distance_um"] == [0.5 * each for each in range(11)]
    np.testing.assert_allclose(row["values"], pixels_yx[5, 2:13])
    between = api.get(f"{planes}/0/profile?from_x=8.5&from_y=9.5&to_x=8.5&to_y=9.5").json()
    assert between["values"] == [pytest.approx(pixels_yx[9:11, 8:10].mean(), rel=1e-5)]
    beside = api.get(f"{planes}/0/profile?from_x=3&from_y=6.5&to_x=4&to_y=6.5").json()
    assert beside["values"] == [None, pytest.approx(pixels_yx[6:8, 4].mean())]
    beyond = api.get(f"{planes}/0/profile?from_x=-9&from_y=31&to_x=99&to_y=31").json()
    np.testing.assert_allclose(beyond["values"], pixels_yx[31])
