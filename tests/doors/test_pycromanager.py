"""The image processor for pycro-manager, called as its engine does, and by it in the slow test."""

import importlib
import json
import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from acquire_with_pycromanager import FrameHook
from simulated_microscope import simulated_microscope

from clearscope_client import ClearScope
from clearscope_client.errors import SpoolFullError
from clearscope_client.spool import Posting, Spool
from tests.support.client_transports import connected
from tests.support.loopback_server import KeyedServer

WAIT_S = 120
FRAME_YX = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)


@pytest.fixture
def server(keyed: KeyedServer) -> Iterator[ClearScope]:
    with connected(keyed.application, keyed.key) as server:
        yield server


def images_of(server: ClearScope, run: str) -> list[dict[str, Any]]:
    listed = json.loads(server.read("/v1/images?limit=200"))
    found = [image for image in listed if image["filename"].startswith(run)]
    return sorted(found, key=lambda image: image["filename"])


def test_a_frame_is_posted_with_what_its_metadata_tell_and_handed_on(
    server: ClearScope, keyed: KeyedServer, tmp_path: Path
) -> None:
    told: list[str] = []
    axes = {"time": 3, "channel": "Cy5/a", "z": 1}
    metadata = {"Axes": axes, "Channel": "Cy5/a", "PixelSizeUm": 0.25, "Width": 48, "Height": 64}
    with Spool(tmp_path, server, Posting(microscope=keyed.microscope)) as spool:
        hook = FrameHook(spool, "known", told.append)
        assert len(signature(hook).parameters) == 2, "pycro-manager tells by this what it passes"
        image, same = hook(FRAME_YX, metadata)
        assert image is FRAME_YX
        assert same is metadata
        hook(FRAME_YX, {"Axes": {"time": 4}, "PixelSize_um": 0.0})
        hook(np.zeros((64, 48, 3), np.uint8), {"Axes": {"time": 5}})
        assert spool.wait_until_sent(WAIT_S)
    first, second = images_of(server, "known")
    assert first["filename"] == "known_000000_time0003_channel-Cy5-a_z0001.ome.tif"
    assert first["header"]["pixel_size_um"]["x_um"] == 0.25
    assert first["header"]["channel_names"] == ["Cy5/a"]
    assert second["header"]["pixel_size_um"] is None
    assert told == [
        "the pixel size is not calibrated (0.0): images and results have none",
        "an image with the shape (64, 48, 3) is no grey frame: it is not denoised",
    ]
    (tmp_path / "sent.tif").write_bytes(server.read(first["content_href"]))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "sent.tif"), FRAME_YX)


def test_an_acquisition_whose_frames_cannot_be_kept_ends(
    server: ClearScope, keyed: KeyedServer, tmp_path: Path
) -> None:
    with Spool(tmp_path, server, Posting(microscope=keyed.microscope), limit_bytes=100) as spool:
        hook = FrameHook(spool, "full", lambda _: None)
        with pytest.raises(SpoolFullError):
            hook(FRAME_YX, {"Axes": {"time": 0}})
    assert hook.names == []


class SnakeCaseCore:
    """A core of pymmcore-plus with the names of methods by which pycro-manager's Python engine calls it."""

    def __init__(self, core: Any) -> None:  # of pymmcore-plus, by any name
        self._core = core
        self._names = {_snake_case(name): name for name in dir(core) if not name.startswith("_")}

    def __getattr__(self, name: str) -> Any:  # any of its methods
        return getattr(self._core, self._names.get(name, name))

    def get_tagged_image(self, camera_index: int, camera: str, height: int, width: int) -> "TaggedImage":
        tags = {"Camera": camera, "Height": height, "Width": width, "CameraChannelIndex": camera_index}
        return TaggedImage(tags, self._core.getImage())

    def pop_next_tagged_image(self) -> "TaggedImage":
        pixels, tags = self._core.popNextImageAndMD()
        return TaggedImage(dict(tags), pixels)


class TaggedImage:
    def __init__(self, tags: dict[str, Any] | None, pix: Any) -> None:  # None at the end
        self.tags = tags
        self.pix = pix


SnakeCaseCore.TaggedImage = TaggedImage  # type: ignore[attr-defined]  # where its engine looks for it


def _snake_case(name: str) -> str:
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


@pytest.mark.slow
def test_its_python_engine_acquires_with_the_hook(
    server: ClearScope, keyed: KeyedServer, tmp_path: Path
) -> None:
    # `make test-slow` installs it.
    pycromanager = importlib.import_module("pycromanager")
    acquisition = importlib.import_module("pycromanager.acquisition.python_backend_acquisitions")
    engine = importlib.import_module("pycromanager.acquisition.acq_eng_py.internal.engine")
    core, _ = simulated_microscope(seed=5)
    engine.Engine(SnakeCaseCore(core))
    with Spool(tmp_path, server, Posting(microscope=keyed.microscope)) as spool:
        hook = FrameHook(spool, "engine", lambda _: None)
        with acquisition.PythonBackendAcquisition(image_process_fn=hook, name="acquired") as acquiring:
            acquiring.acquire(pycromanager.multi_d_acquisition_events(num_time_points=3))
        assert spool.wait_until_sent(WAIT_S)
    images = images_of(server, "engine")
    assert [image["filename"] for image in images] == [
        f"engine_{n:06d}_time{n:04d}.ome.tif" for n in range(3)
    ]
    assert len({image["sha256"] for image in images}) == 3
