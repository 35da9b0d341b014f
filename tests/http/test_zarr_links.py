"""Images and results as OME-Zarr, read with zarr-python over HTTP by a signed link, without a key."""

import json
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import prod
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
import tifffile
import yaozarrs
import zarr
from numpy.typing import NDArray

from app.http import authentication
from app.http.signed_links import WITHOUT_KEY, SignedLink, Subject
from app.viewing.documents import PlanesDocument
from app.viewing.neuroglancer import neuroglancer_fragment
from app.viewing.ranges import ValueRange
from models_store.clock_and_ids import system_clock
from models_store.contracts.vocabulary import OutputDtype, OutputFormat
from models_store.errors import InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.results.ome_zarr.layout import ZarrLayout
from models_store.image_files.results.result_file import ResultOptions
from models_store.settings import Settings
from tests.support.answers import problem
from tests.support.application import Application, MakeApplication
from tests.support.loopback_server import on_loopback
from tests.support.posted_jobs import upload
from tests.support.stored_results import store_result

RNG = np.random.default_rng(7)
NEUROGLANCER, VIZARR = "https://neuroglancer.example.org/v/1/", "https://vizarr.example.org/"
VIEWER, STRANGER = {"Origin": "https://neuroglancer.example.org"}, {"Origin": "https://evil.example.org"}


@dataclass(eq=False)
class Clock:
    """The system's clock, some time ahead."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return system_clock() + self.ahead


@dataclass(frozen=True)
class Facility:
    """A server with keys of two microscopes, and an image and a result of one of them."""

    application: Application
    clock: Clock
    url: str
    ours: str
    theirs: str
    image_id: str
    artifact_id: str


NOISY = RNG.poisson(60, (3, 2, 40, 600)).astype("uint16")
CLEAN = RNG.normal(60, 5, (6, 40, 600)).astype("float32")


@pytest.fixture(scope="module")
def facility(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Facility]:
    folder, clock = tmp_path_factory.mktemp("linked"), Clock()
    application = Application(
        folder / "data", isolation, clock=clock, neuroglancer_url=NEUROGLANCER, vizarr_url=VIZARR
    )
    keys = []
    with application.client(application.make_key("admin", "admin")) as api:
        for name in ("ours", "theirs"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
            keys.append(application.make_key(name, "read", "submit", microscopes=[name]))
        path = folder / "cells.ome.tif"
        metadata: dict[str, Any] = {
            "axes": "ZCYX",
            **{f"PhysicalSize{axis}": size for axis, size in (("X", 0.1), ("Y", 0.2), ("Z", 0.5))},
            "Channel": {"Name": ["DAPI", "GFP"]},
        }
        tifffile.imwrite(path, NOISY, ome=True, photometric="minisblack", metadata=metadata)
        image_id = upload(api, path, microscope="ours")
    artifact_id = store_result(application, image_id, CLEAN, options=ResultOptions(dtype=OutputDtype.FLOAT32))
    with on_loopback(application) as url:
        ours, theirs = keys
        yield Facility(application, clock, url, ours, theirs, image_id, artifact_id)
    application.close()


def link(facility: Facility, of: str = "", key: str = "", **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key or facility.ours}"}
    path = of or f"artifacts/{facility.artifact_id}"
    return httpx.post(f"{facility.url}/v1/{path}/zarr", headers=headers, params=query)


def made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def read(href: str, path: str = "0") -> NDArray[Any]:
    array = zarr.open_array(f"{href}/{path}", mode="r")
    return np.asarray(array[:])


def test_a_result_in_a_tiff_file_is_read_as_ome_zarr_without_a_key(facility: Facility) -> None:
    document = made(link(facility))
    pixels = read(document["href"])
    assert pixels.dtype == np.float32
    # OME-Zarr has channels before depths, the file has them after.
    np.testing.assert_array_equal(pixels, CLEAN.reshape(3, 2, 40, 600).swapaxes(0, 1))
    halved = CLEAN[1].reshape(20, 2, 300, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(read(document["href"], "1")[1, 0], halved, rtol=1e-5)
    group = yaozarrs.validate_zarr_store(document["href"])
    assert group is not None
    attributes: dict[str, Any] = dict(zarr.open_group(document["href"], mode="r").attrs)
    (multiscale,) = attributes["multiscales"]
    assert multiscale["version"] == "0.4"
    assert [axis["name"] for axis in multiscale["axes"]] == ["c", "z", "y", "x"]
    scales = [each["coordinateTransformations"][0]["scale"] for each in multiscale["datasets"]]
    np.testing.assert_allclose(scales, [[1, 0.5, 0.2, 0.1], [1, 0.5, 0.4, 0.2]])
    assert [each["label"] for each in attributes["omero"]["channels"]] == ["DAPI", "GFP"]
    window = attributes["omero"]["channels"][1]["window"]
    assert (window["start"], window["end"]) == pytest.approx(tuple(np.percentile(CLEAN[3], (0.5, 99.5))))


def test_images_and_residuals_are_read_in_the_same_way(facility: Facility) -> None:
    document = made(link(facility, f"images/{facility.image_id}"))
    np.testing.assert_array_equal(read(document["href"]), NOISY.swapaxes(0, 1))
    removed = read(made(link(facility, layer="residual"))["href"])
    expected = (NOISY.astype("float32") - CLEAN.reshape(NOISY.shape)).swapaxes(0, 1)
    np.testing.assert_allclose(removed, expected, rtol=1e-6)


def test_a_link_opens_the_configured_viewers(facility: Facility) -> None:
    document = made(link(facility))
    href = document["href"]
    assert document["napari"] == f'napari --plugin napari-ome-zarr "{href}"'
    assert document["vizarr_href"].startswith(f"{VIZARR}?source=http%3A%2F%2F127.0.0.1%3A")
    assert httpx.URL(document["vizarr_href"]).params["source"] == href
    assert document["neuroglancer_href"].startswith(f"{NEUROGLANCER}#!")
    scope: dict[str, Any] = {}
    exec(document["python"], scope)  # noqa: S102  # lines that the server tells users to run
    assert scope["pixels"].shape == (2, 3, 40, 600)


def test_neuroglancer_shows_x_to_the_right_and_a_layer_for_each_channel(facility: Facility) -> None:
    document = made(link(facility))
    state = json.loads(unquote(document["neuroglancer_href"].partition("#!")[2]))
    assert list(state["dimensions"]) == ["x", "y", "z"]
    steps = [pytest.approx(each) for each in (1e-7, 2e-7, 5e-7)]
    assert [step for step, _ in state["dimensions"].values()] == steps
    assert {unit for _, unit in state["dimensions"].values()} == {"m"}
    # 600 x 40 pixels of 0.1 x 0.2 um fit a window of 1000 x 600 pixels.
    assert state["crossSectionScale"] == pytest.approx(0.6)
    layers = state["layers"]
    assert [each["source"] for each in layers] == 2 * [f"zarr2://{document['href']}"]
    assert [(each["name"], each["localPosition"]) for each in layers] == [("DAPI", [0]), ("GFP", [1])]
    expected = [tuple(np.percentile(CLEAN[at], (0.5, 99.5))) for at in (2, 3)]
    for layer, colour, window in zip(layers, ("#00FF00", "#FF00FF"), expected, strict=True):
        assert tuple(layer["shaderControls"]["contrast"]["range"]) == pytest.approx(window)
        assert f'color(default="{colour}")' in layer["shader"]


@pytest.mark.parametrize(
    ("axes", "shape", "told"),
    [
        ("YX", (40, 60), {"x": [1, ""], "y": [1, ""]}),
        ("TYX", (2, 40, 60), {"x": [1, ""], "y": [1, ""], "t": [0.5, "s"]}),
    ],
)
def test_neuroglancer_counts_pixels_of_unknown_size(
    axes: str, shape: tuple[int, ...], told: dict[str, Any]
) -> None:
    header = ImageHeader(
        file_kind="tiff",
        axes=axes,
        shape=shape,
        dtype="uint16",
        width_px=60,
        height_px=40,
        planes=prod(shape[:-2]),
        pixel_size_um=None,
        channel_names=(),
        decoded_bytes=2 * prod(shape),
        time_interval_s=0.5,
        white_is_zero=True,
    )
    window = ValueRange(low=3, high=9, minimum=0, maximum=10, missing_px=0)
    fragment = neuroglancer_fragment("http://a/x.ome.zarr", axes, PlanesDocument.of(header), [window])
    state = json.loads(unquote(fragment.removeprefix("#!")))
    assert state["dimensions"] == told
    (layer,) = state["layers"]
    assert "localPosition" not in layer
    # White is zero: the lowest value is the brightest.
    assert layer["shaderControls"]["contrast"]["range"] == [9, 3]


def test_a_viewer_elsewhere_may_read_what_a_link_leads_to_and_nothing_else(facility: Facility) -> None:
    href = made(link(facility))["href"]
    allowed = "access-control-allow-origin"
    for name in ("0/.zarray", "0/0/0/0/0", "nothing"):
        answer = httpx.get(f"{href}/{name}", headers=VIEWER)
        assert answer.headers.get(allowed) == VIEWER["Origin"], name
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
        assert allowed not in httpx.get(f"{href}/{name}", headers=STRANGER).headers
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    assert httpx.options(f"{href}/.zattrs", headers=VIEWER | asked).status_code == 200
    assert httpx.options(f"{href}/.zattrs", headers=STRANGER | asked).status_code == 400
    key = {"Authorization": f"Bearer {facility.ours}"}
    for path in ("/v1/jobs", f"/v1/artifacts/{facility.artifact_id}/content"):
        assert allowed not in httpx.get(facility.url + path, headers=VIEWER | key).headers
    # A page of another origin cannot make links with the key that the browser keeps.
    forged = {"Cookie": f"clearscope_key={facility.ours}", "X-ClearScope-Portal": "1", **VIEWER}
    refused = httpx.post(f"{facility.url}/v1/artifacts/{facility.artifact_id}/zarr", headers=forged)
    assert refused.status_code == 403


def test_a_link_is_for_one_layer_of_one_file(facility: Facility) -> None:
    href = made(link(facility))["href"]
    assert httpx.get(f"{href}/.zattrs").status_code == 200
    other = made(link(facility, f"images/{facility.image_id}"))["href"]
    signed, others = (re.findall(r"/zarr/([^/]+)/", each)[0] for each in (href, other))
    for wrong in (
        href.replace("result.ome", "residual.ome"),
        href.replace(facility.artifact_id, "art_" + 32 * "0"),
        href.replace(signed, others),
        href.replace(signed, signed[:-1] + ("0" if signed[-1] != "0" else "1")),
        href.replace(signed, re.sub(r"\.(\d{10})\.", lambda found: f".{int(found[1]) + 1}.", signed)),
        href.replace(signed, "nothing"),
        href.replace(signed, f"open.{int(time.time()) + 999}.{64 * '0'}"),
    ):
        assert wrong != href
        detail = problem(httpx.get(f"{wrong}/.zattrs"), 401, "unauthenticated")
        assert detail.startswith("this link is not valid")
    # Nor does a link do anything but read.
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, f"{href}/.zattrs").status_code in {403, 405}
    assert httpx.head(f"{href}/.zattrs").status_code == 200


def test_nobody_makes_links_to_what_they_do_not_see(facility: Facility) -> None:
    problem(link(facility, key=facility.theirs), 404, "not-found")
    problem(link(facility, f"images/{facility.image_id}", key=facility.theirs), 404, "not-found")
    path = f"{facility.url}/v1/artifacts/{facility.artifact_id}/zarr"
    problem(httpx.post(path), 401, "unauthenticated")


def test_a_link_ends_with_its_time_and_with_its_key(facility: Facility) -> None:
    application = facility.application
    ends = system_clock() + timedelta(hours=2)
    key = application.make_key("leaves soon", "read", microscopes=["ours"], expires_at=ends)
    of_key, of_others = made(link(facility, key=key)), made(link(facility))
    assert of_key["expires_at"] == ends.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    valid = datetime.fromisoformat(of_others["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=7.9) < valid < timedelta(hours=8.1)
    try:
        facility.clock.ahead = timedelta(hours=3)
        detail = problem(httpx.get(f"{of_key['href']}/.zattrs"), 401, "unauthenticated")
        assert "expired at" in detail
        assert httpx.get(f"{of_others['href']}/.zattrs").status_code == 200
        facility.clock.ahead = timedelta(hours=9)
        problem(httpx.get(f"{of_others['href']}/.zattrs"), 401, "unauthenticated")
    finally:
        facility.clock.ahead = timedelta()
    with application.client(application.make_key("revoker", "admin")) as api:
        (key_id,) = [each["id"] for each in api.get("/v1/keys").json() if each["name"] == "leaves soon"]
        api.post(f"/v1/keys/{key_id}/revoke").raise_for_status()
    assert "revoked" in refusal(of_key["href"])


def refusal(href: str) -> str:
    """Return why a link is refused, once it is."""
    deadline_s = time.monotonic() + 30
    while (answer := httpx.get(f"{href}/.zattrs")).status_code == 200:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    return problem(answer, 401, "unauthenticated")


def test_all_links_to_one_result_can_be_ended(facility: Facility) -> None:
    result, residual = made(link(facility)), made(link(facility, layer="residual"))
    image = made(link(facility, f"images/{facility.image_id}"))
    for each in (result, residual, image):
        assert httpx.get(f"{each['href']}/.zattrs").status_code == 200
    path = f"{facility.url}/v1/artifacts/{facility.artifact_id}/zarr"
    theirs, ours = ({"Authorization": f"Bearer {key}"} for key in (facility.theirs, facility.ours))
    problem(httpx.delete(path, headers=theirs), 404, "not-found")
    problem(httpx.delete(path), 401, "unauthenticated")
    assert httpx.delete(path, headers=ours).status_code == 204
    for each in (result, residual):
        assert "was ended" in refusal(each["href"])
    assert httpx.get(f"{image['href']}/.zattrs").status_code == 200
    again = made(link(facility))
    assert again["href"] != result["href"]
    assert httpx.get(f"{again['href']}/.zattrs").status_code == 200
    problem(httpx.get(f"{result['href']}/.zattrs"), 401, "unauthenticated")


def test_a_link_made_just_after_others_were_ended_is_valid(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "CACHE_TTL_S", 3600.0)
    ended = made(link(facility))
    assert httpx.get(f"{ended['href']}/.zattrs").status_code == 200
    path = f"{facility.url}/v1/artifacts/{facility.artifact_id}/zarr"
    httpx.delete(path, headers={"Authorization": f"Bearer {facility.ours}"}).raise_for_status()
    assert httpx.get(f"{made(link(facility))['href']}/.zattrs").status_code == 200
    problem(httpx.get(f"{ended['href']}/.zattrs"), 401, "unauthenticated")


def test_links_do_not_stand_in_logs(facility: Facility, caplog: pytest.LogCaptureFixture) -> None:
    href = made(link(facility))["href"]
    signed = href.split("/")[-2]
    with caplog.at_level("INFO"):
        httpx.get(f"{href}/0/.zarray")
        # The server writes a request down after it has answered.
        deadline_s = time.monotonic() + 30
        while not any(
            "/zarr/.../result.ome.zarr/0/.zarray" in each.getMessage() for each in own_records(caplog)
        ):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
    assert not any(signed in each.getMessage() + str(vars(each)) for each in own_records(caplog))


def own_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("app.")]


def test_an_address_that_guesses_links_is_slowed_down(make_application: MakeApplication) -> None:
    application = make_application()
    application.make_key("first", "admin")
    with application.client() as api:
        path = f"/v1/artifacts/art_0/zarr/{12 * '0'}.99999999999.{64 * '0'}/result.ome.zarr/.zattrs"
        answers = [api.get(path).status_code for _ in range(62)]
    assert (answers[0], answers[-1]) == (401, 429)


def test_a_server_without_keys_makes_links_too(
    application: Application, api: httpx.Client, tmp_path: Path
) -> None:
    path = tmp_path / "cells.tif"
    pixels_yx = RNG.poisson(60, (32, 48)).astype("uint8")
    tifffile.imwrite(path, pixels_yx)
    image_id = upload(api, path)
    document = made(api.post(f"/v1/images/{image_id}/zarr"))
    assert (document["neuroglancer_href"], document["vizarr_href"]) == (None, None)
    assert api.get(f"{document['href']}/.zattrs", headers=VIEWER).status_code == 200
    assert "access-control-allow-origin" not in api.get(f"{document['href']}/.zattrs", headers=VIEWER).headers
    # Who knows the file knows its digest, and cannot sign with that.
    subject, later = Subject("images", image_id, "image"), system_clock() + timedelta(days=9)
    digest = api.get(f"/v1/images/{image_id}").json()["sha256"]
    for forged in (
        re.sub(r"[0-9a-f]{64}", 64 * "0", document["href"]),
        SignedLink.sign(None, subject, WITHOUT_KEY, later, digest).path,
    ):
        problem(api.get(f"{forged}/.zattrs"), 401, "unauthenticated")
    with on_loopback(application) as url:
        href = document["href"].replace("http://localhost", url)
        np.testing.assert_array_equal(read(href), pixels_yx)
        for missing in (
            "1/.zarray",
            "0/1/0",
            "0/0/1",
            "0/0",
            "0/0/0/0",
            "../secret",
            "zarr.json",
            ".zmetadata",
        ):
            assert httpx.get(f"{href}/{missing}").status_code in {401, 404}, missing
        chunk = httpx.get(f"{href}/0/0/0")
        again = httpx.get(f"{href}/0/0/0", headers={"If-None-Match": chunk.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_positions_are_images_of_one_ome_zarr(
    application: Application, api: httpx.Client, tmp_path: Path
) -> None:
    path = tmp_path / "positions.ome.tif"
    noisy = RNG.poisson(60, (2, 3, 32, 48)).astype("uint16")
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for position in noisy:
            tiff.write(position, photometric="minisblack", metadata={"axes": "ZYX"})
    image_id = upload(api, path)
    clean = RNG.normal(60, 5, (6, 32, 48)).astype("float32")
    options = ResultOptions(OutputFormat.OME_ZARR, OutputDtype.FLOAT32)
    artifact_id = store_result(application, image_id, clean, options=options)
    with on_loopback(application) as url, httpx.Client(base_url=url) as there:
        href = made(there.post(f"/v1/artifacts/{artifact_id}/zarr?position=1"))["href"]
        assert href.endswith("/result.ome.zarr/1")
        np.testing.assert_array_equal(read(href), clean[3:])
        root = href.removesuffix("/1")
        assert zarr.open_group(root, mode="r").attrs["bioformats2raw.layout"] == 3
        np.testing.assert_array_equal(read(f"{root}/0"), clean[:3])
        problem(there.post(f"/v1/artifacts/{artifact_id}/zarr?position=2"), 404, "not-found")


@pytest.mark.parametrize("axes", ["YX", "ZYX", "ZCYX", "CZYX", "TPZYX", "RTCYX"])
def test_places_lead_back_to_planes(axes: str) -> None:
    shape = (*range(2, len(axes)), 8, 9)
    planes = int(np.prod(shape[:-2]))
    layout = ZarrLayout(axes[:-2], shape[:-2], (8, 9))
    assert [layout.plane_at(*layout.place(plane)) for plane in range(planes)] == list(range(planes))


@pytest.mark.parametrize(
    "url", ["https://*.example.org/", "neuroglancer.example.org", "https://a.org", "https://a.org/#x"]
)
def test_an_address_of_a_viewer_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="CLEARSCOPE_NEUROGLANCER_URL"):
        Settings.load(neuroglancer_url=url)
