"""Sets of TIFF files over HTTP that lack a file."""

from pathlib import Path

import httpx

from tests.support.answers import problem
from tests.support.tiff_sets import COMPANION, noisy, ome_set, zipped

PIXELS = noisy(1, 3, 1, 48, 64)  # T Z C Y X


def upload(api: httpx.Client, path: Path) -> httpx.Response:
    return api.post("/v1/images", params={"filename": path.name}, content=path.read_bytes())


def test_a_set_without_its_companion_is_refused_with_its_name(api: httpx.Client, tmp_path: Path) -> None:
    files = ome_set(PIXELS)
    companion = files.pop(COMPANION)
    refusal = problem(upload(api, zipped(tmp_path / "cells.zip", files)), 422, "image-corrupt")
    assert f"'{COMPANION}' describes, which is missing; add it" in refusal
    alone = tmp_path / COMPANION
    alone.write_bytes(companion)
    refusal = problem(upload(api, alone), 415, "image-unsupported")
    assert "pack all files of the set, with it, into one ZIP archive" in refusal
