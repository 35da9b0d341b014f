"""Limits of tiles: memory, size of planes, requests of a key, and what others see."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.support.answers import problem, wait_for_status
from tests.support.application import MakeApplication
from tests.support.posted_jobs import upload
from tests.support.stored_results import store_result
from tests.support.tiles import drawn, store, tile

RNG = np.random.default_rng(5)


def test_keys_of_other_microscopes_find_nothing_even_if_it_is_in_memory(
    make_application: MakeApplication, tmp_path: Path
) -> None:
    application = make_application()
    admin = application.make_key("admin", "admin")
    pixels_yx = RNG.poisson(60, (32, 48)).astype("uint16")
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, pixels_yx)
    with application.client(admin) as api:
        for name in ("ours", "theirs"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
        image_id = upload(api, path, microscope="theirs")
        artifact_id = store_result(application, image_id, [pixels_yx.astype("float32")])
        hrefs = [f"/v1/images/{image_id}/planes", f"/v1/artifacts/{artifact_id}/planes"]
        etags = [api.get(f"{href}/0/tiles/0/0_0.png").headers["etag"] for href in hrefs]
    bound = application.make_key("bound", "admin", microscopes=["ours"])
    with application.client(bound) as api:
        wait_for_status(api, "/v1/images", 200)
        for href, etag in zip(hrefs, etags, strict=True):
            for asked in ("", "/0/tiles/0/0_0.png", "/0/range", "/0/profile?from_x=0&from_y=0&to_x=1&to_y=1"):
                problem(api.get(f"{href}{asked}", headers={"If-None-Match": etag}), 404, "not-found")


def test_a_plane_that_does_not_fit_into_memory_is_told(
    make_application: MakeApplication, tmp_path: Path
) -> None:
    with make_application(viewed_planes_bytes=2**10, large_planes_bytes=2**11).client() as api:
        planes = store(api, tmp_path, RNG.poisson(60, (32, 40)).astype("uint16"))
        detail = problem(api.get(planes), 413, "image-too-large")
        (enough,) = re.findall(r"set CLEARSCOPE_LARGE_PLANES_BYTES=(\d+) or more", detail)
    with make_application(viewed_planes_bytes=2**10, large_planes_bytes=int(enough)).client() as api:
        assert api.get(planes).status_code == 200


@pytest.mark.parametrize(
    "options",
    [
        {},
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ({"byteorder": ">"}, {"compression": "zlib"})
        ),
    ],
)
def test_planes_that_are_too_large_for_the_memory_are_shown(
    make_application: MakeApplication, tmp_path: Path, options: dict[str, Any]
) -> None:
    application = make_application(viewed_planes_bytes=2**20)
    noisy_yx = RNG.poisson(60, (600, 530)).astype("uint16")
    with application.client() as api:
        planes = store(api, tmp_path, noisy_yx, **options)
        np.testing.assert_array_equal(
            tile(api, planes, at="0/1_1", low=20, high=99), drawn(noisy_yx[512:, 512:], 20, 99)
        )
        assert tile(api, planes, at="1/0_0").shape == (300, 265)
        clean_yx = RNG.normal(60, 5, noisy_yx.shape).astype("float32")
        result = f"/v1/artifacts/{store_result(application, planes.split('/')[3], [clean_yx])}/planes"
        found = api.get(f"{result}/0/range?layer=residual").json()
        assert found["maximum"] == pytest.approx((noisy_yx - clean_yx).max(), rel=1e-5)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_large_plane_that_is_decoded_in_memory_is_refused_and_others_are_shown(
    make_application: MakeApplication, tmp_path: Path, compression: str | None
) -> None:
    pixels_yx = RNG.poisson(60, (600, 530)).astype("uint16")
    with make_application(viewed_planes_bytes=pixels_yx.nbytes // 2 - 1).client() as api:
        planes = store(api, tmp_path, pixels_yx, compression=compression)
        asked = api.get(f"{planes}/0/range")
    if compression is None:
        assert asked.json()["maximum"] == pixels_yx.max()
    else:
        detail = problem(asked, 413, "image-too-large")
        assert detail.startswith("a plane of 530 x 600 pixels takes 1 MiB of memory to decode")


def test_tiles_do_not_use_up_the_requests_of_a_key(make_application: MakeApplication, tmp_path: Path) -> None:
    application = make_application()
    token = application.make_key("looker", "read", "submit", requests_per_minute=5)
    with application.client(token) as api:
        planes = store(api, tmp_path, RNG.poisson(60, (32, 40)).astype("uint16"))
        shown = [api.get(f"{planes}/0/tiles/0/0_0.png?low={low}&high=99") for low in range(8)]
        assert {each.status_code for each in shown} == {200}
        assert shown[-1].headers["ratelimit-policy"] == '"default";q=50;w=60'
        assert api.get("/v1/jobs").headers["ratelimit"].startswith('"default";r=3;')
