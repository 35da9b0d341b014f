"""The algorithm for napari and QuPath, run by the kit's own client without a window."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
import uvicorn

from clearscope_client import ClearScope
from clearscope_client.imaging_kit import denoising_algorithm
from clearscope_client.offline_kit import sk
from tests.support.client_transports import connected
from tests.support.loopback_server import KeyedServer

pytestmark = pytest.mark.slow


@contextmanager
def kit_client(keyed: KeyedServer, key: str) -> Iterator[sk.Client]:
    algorithm = denoising_algorithm(lambda: ClearScope(keyed.url, key))
    from imaging_server_kit.remote.app import AlgorithmApp  # noqa: PLC0415  # after `offline_kit`

    app = AlgorithmApp([algorithm], "kit").app
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.05)
    try:
        yield sk.Client(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()


def test_an_image_comes_back_with_progress_and_verdict(keyed: KeyedServer, noisy_tiff: Path) -> None:
    image_yx = tifffile.imread(noisy_tiff)
    with kit_client(keyed, keyed.key) as client:
        (name,) = client.algorithms
        results = client.run(image=image_yx, algorithm=name, microscope=keyed.microscope)
        stack = client.run(image=np.stack([image_yx] * 2), algorithm=name, third_axis="T")
    by_kind = {layer.kind: layer for layer in results}
    assert by_kind["image"].data.shape == image_yx.shape
    assert np.abs(by_kind["image"].data - image_yx).mean() < 20
    assert by_kind["progress"].data == 100
    assert by_kind["notification"].data.startswith(("trust: ", "check: ", "do_not_trust: "))
    assert next(layer for layer in stack if layer.kind == "image").data.shape == (2, *image_yx.shape)
    with connected(keyed.application, keyed.key) as server:
        (newest, *_) = server.jobs()
        assert server.image(newest.spec["image_ids"][0]).header.axes == "TYX"


def test_refusals_reach_the_window(keyed: KeyedServer, noisy_tiff: Path) -> None:
    with (
        kit_client(keyed, keyed.reading_key) as client,
        pytest.raises(Exception, match="this needs an API key with the scope submit"),
    ):
        client.run(image=tifffile.imread(noisy_tiff), algorithm="ClearScope")
