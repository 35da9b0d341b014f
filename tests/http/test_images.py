"""Uploading images over HTTP, good ones and bad ones."""

import hashlib
import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.support.answers import problem
from tests.support.application import Application, MakeApplication
from tests.support.microscope_files import noise, ome_document, ome_image, write_pages


def upload(api: httpx.Client, content: bytes, **query: str) -> httpx.Response:
    return api.post("/v1/images", params={"filename": "image.tif", **query}, content=content)


def tiff(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def stored_files(application: Application) -> set[Path]:
    return {path for path in (application.settings.data_dir / "blobs").rglob("*") if path.is_file()}


def test_upload_returns_the_images_properties(api: httpx.Client, noisy_tiff: Path) -> None:
    content = noisy_tiff.read_bytes()
    response = upload(api, content)
    assert response.status_code == 201
    document = response.json()
    assert response.headers["location"] == f"/v1/images/{document['id']}"
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    assert document["size_bytes"] == len(content)
    header = document["header"]
    assert (header["axes"], header["shape"], header["dtype"]) == ("YX", [96, 80], "uint16")
    assert api.get(response.headers["location"]).json() == document


def test_what_is_missing_in_a_file_is_in_its_header(api: httpx.Client, tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.tif", noise(4, 32, 40), ome_document(ome_image(0, {"T": 9})))
    document = upload(api, path.read_bytes()).json()
    assert document["header"]["warnings"] == ["4 of 9 planes are in the file"]
    assert api.get(f"/v1/images/{document['id']}").json() == document


def test_content_is_downloaded_whole_in_ranges_and_conditionally(api: httpx.Client, noisy_tiff: Path) -> None:
    content = noisy_tiff.read_bytes()
    href = upload(api, content).json()["content_href"]
    whole = api.get(href)
    assert whole.content == content
    part = api.get(href, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(content)}"
    beyond = api.get(href, headers={"Range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416
    known = api.get(href, headers={"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


def test_preview_is_a_picture_of_the_image(api: httpx.Client, noisy_tiff: Path) -> None:
    href = upload(api, noisy_tiff.read_bytes()).json()["preview_href"]
    preview_yx = np.asarray(Image.open(io.BytesIO(api.get(href).content)))
    observation_yx = tifffile.imread(noisy_tiff)
    assert preview_yx.shape == observation_yx.shape
    assert np.corrcoef(preview_yx.ravel(), observation_yx.ravel())[0, 1] > 0.9


def test_delete_removes_the_image(api: httpx.Client, application: Application, noisy_tiff: Path) -> None:
    document = upload(api, noisy_tiff.read_bytes()).json()
    stored = list((application.settings.data_dir / "blobs").rglob(f"*{document['id']}*/*"))
    assert len(stored) == 2
    assert api.delete(f"/v1/images/{document['id']}").status_code == 204
    problem(api.get(f"/v1/images/{document['id']}"), 404, "not-found")
    # Files are deleted after the answer has been sent.
    deadline_s = time.monotonic() + 30
    while any(path.exists() for path in stored):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_list_pages_through_all_images_of_a_microscope(api: httpx.Client, noisy_tiff: Path) -> None:
    api.post("/v1/microscopes", json={"name": "paging scope"})
    ids = [upload(api, noisy_tiff.read_bytes(), microscope="paging scope").json()["id"] for _ in range(5)]
    upload(api, noisy_tiff.read_bytes())
    seen: list[str] = []
    url = "/v1/images?microscope=paging%20scope&limit=2"
    while url:
        page = api.get(url)
        assert len(page.json()) <= 2
        seen += [image["id"] for image in page.json()]
        url = str(page.links.get("next", {}).get("url", ""))
    assert seen == ids[::-1]


def test_the_same_upload_sent_again_is_the_same_image(api: httpx.Client, noisy_tiff: Path) -> None:
    content = noisy_tiff.read_bytes()
    headers = {"Idempotency-Key": "upload-1"}
    params = {"filename": "a.tif"}
    first = api.post("/v1/images", params=params, content=content, headers=headers)
    again = api.post("/v1/images", params=params, content=content, headers=headers)
    assert first.json() == again.json()
    other = tiff(np.arange(4096, dtype=np.uint16).reshape(64, 64))
    problem(
        api.post("/v1/images", params=params, content=other, headers=headers), 422, "idempotency-mismatch"
    )


def test_the_same_upload_sent_four_times_at_once_is_one_image(api: httpx.Client, noisy_tiff: Path) -> None:
    content = noisy_tiff.read_bytes()

    def send(_: int) -> httpx.Response:
        return api.post("/v1/images?filename=a.tif", content=content, headers={"Idempotency-Key": "upload-2"})

    with ThreadPoolExecutor(4) as senders:
        answers = list(senders.map(send, range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    image_id = answers[0].json()["id"]
    other = api.post("/v1/images?filename=b.tif", content=content, headers={"Idempotency-Key": "upload-2"})
    problem(other, 422, "idempotency-mismatch")
    api.delete(f"/v1/images/{image_id}")
    assert send(0).json()["id"] != image_id


def test_a_server_without_users_answers_to_its_own_names_only(api: httpx.Client) -> None:
    assert api.get("/healthz", headers={"Host": "localhost:1"}).status_code == 200
    assert api.get("/healthz", headers={"Host": "example.org"}).status_code == 400


@pytest.mark.parametrize("query", ["cursor=W1tbWw", "cursor=!", "limit=0", "limit=1000", "role=best"])
def test_a_wrong_list_query_is_refused(api: httpx.Client, query: str) -> None:
    problem(api.get(f"/v1/images?{query}"), 422, "invalid-request")


WRONG_KINDS = {
    "rgb": (
        tiff(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3), photometric="rgb"),
        415,
        "image-unsupported",
        "RGB",
    ),
    "complex": (tiff(np.ones((32, 32), np.complex64)), 415, "image-unsupported", "complex"),
    "constant": (tiff(np.full((32, 32), 7, np.uint16)), 422, "image-content", "same value"),
    "all NaN": (tiff(np.full((32, 32), np.nan, np.float32)), 422, "image-content", "finite"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(100), 415, "image-unsupported", "TIFF"),
    "no image": (
        b"measured on a Monday",
        422,
        "image-corrupt",
        "a text file, which begins with 'measured on",
    ),
    "truncated": (tiff(np.arange(4096, dtype=np.uint16).reshape(64, 64))[:600], 422, "image-corrupt", ""),
    "empty": (b"", 422, "image-corrupt", "empty"),
}


@pytest.mark.parametrize("kind", WRONG_KINDS)
def test_wrong_kind_of_image_is_refused_with_a_reason(
    api: httpx.Client, application: Application, kind: str
) -> None:
    content, status, code, word = WRONG_KINDS[kind]
    before = stored_files(application)
    detail = problem(upload(api, content), status, code)
    assert word.lower() in detail.lower()
    assert stored_files(application) == before


def test_malformed_files_are_refused_and_leave_nothing(
    api: httpx.Client, application: Application, test_data: Path
) -> None:
    before = stored_files(application)
    files = sorted((test_data / "malformed").iterdir())
    assert files
    for path in files:
        response = upload(api, path.read_bytes())
        assert 400 <= response.status_code < 500, f"{path.name}: {response.text}"
        assert response.json()["detail"], path.name
    assert stored_files(application) == before


def test_files_of_every_format_are_taken_or_refused_with_a_reason(api: httpx.Client, test_data: Path) -> None:
    files = [path for path in sorted((test_data / "formats").rglob("*")) if path.suffix in {".tif", ".tiff"}]
    assert len(files) > 100
    taken = 0
    for path in files:
        response = upload(api, path.read_bytes())
        if response.status_code == 201:
            taken += 1
            header = response.json()["header"]
            assert header["shape"][-2:] == [header["height_px"], header["width_px"]], path.name
            assert len(header["axes"]) == len(header["shape"]), path.name
        else:
            assert response.status_code in {415, 422}, f"{path.name}: {response.text}"
            assert response.json()["detail"], path.name
    assert taken > 40


def test_an_upload_over_the_limit_is_refused_while_it_streams(make_application: MakeApplication) -> None:
    application = make_application(upload_limit_bytes=100_000)
    with application.client() as api:
        chunks = (bytes(10_000) for _ in range(1000))
        streamed = api.post("/v1/images?filename=a.tif", content=chunks)
        problem(streamed, 413, "image-too-large")
        declared = api.post("/v1/images?filename=a.tif", content=bytes(100_001))
        problem(declared, 413, "image-too-large")
    assert not stored_files(application)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, "filename"),
        ({"filename": "a/b.tif"}, "a file name has no slash"),
        ({"filename": "a.tif", "role": "x"}, "role"),
    ],
)
def test_wrong_parameters_are_named(api: httpx.Client, query: dict[str, str], told: str) -> None:
    assert told in problem(api.post("/v1/images", params=query, content=b""), 422, "invalid-request")


def test_an_unknown_microscope_is_named(api: httpx.Client, noisy_tiff: Path) -> None:
    answer = upload(api, noisy_tiff.read_bytes(), microscope="nowhere")
    assert "nowhere" in problem(answer, 404, "not-found")
