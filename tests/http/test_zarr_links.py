"""Images and results as OME-Zarr, read with zarr-python over HTTP by a signed link, without a key."""

import json
from collections.abc import Iterator
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

from app.viewing.documents import PlanesDocument
from app.viewing.neuroglancer import neuroglancer_fragment
from app.viewing.ranges import ValueRange
from models_store.contracts.vocabulary import OutputDtype, OutputFormat
from models_store.errors import InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.results.ome_zarr.layout import ZarrLayout
from models_store.image_files.results.result_file import ResultOptions
from models_store.settings import Settings
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.linked_images import (
    CLEAN,
    NEUROGLANCER,
    NOISY,
    RNG,
    VIZARR,
    Facility,
    link,
    linked_facility,
    made,
    read,
)
from tests.support.loopback_server import on_loopback
from tests.support.posted_jobs import upload
from tests.support.stored_results import store_result


@pytest.fixture(scope="module")
def facility(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Facility]:
    with linked_facility(tmp_path_factory.mktemp("linked"), isolation) as facility:
        yield facility


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
