"""Images of docker/ are built and used, on a Debian and its Python in place of the Python image."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from demo.server import free_port
from tests.support.container_images import ROOT, ImageStore, cannot_build
from tests.support.services import Redis
from worker.engine.scores.metrics import psnr
from worker.engine.simulation import Scmos, simulate_specimen

pytestmark = pytest.mark.slow

START_LIMIT_S = 60.0


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageStore]:
    complaint = cannot_build()
    if complaint is not None:
        complaint = f"images cannot be built: {complaint}"
        if os.environ.get("CI"):
            pytest.fail(complaint)
        pytest.skip(complaint)
    images = ImageStore(tmp_path_factory.mktemp("images"))
    try:
        images.make_base()
        yield images
    finally:
        images.remove()


def test_the_server_image_is_built_and_answers(
    images: ImageStore, redis_service: Redis, tmp_path: Path
) -> None:
    images.build(ROOT / "docker" / "server.Dockerfile", "clearscope-server")
    server = images.create("clearscope-server")
    server.run("migrate")
    server.run("keys", "create", "first admin", "--scope", "admin")
    port = free_port()
    log = tmp_path / "server.log"
    environment = {"CLEARSCOPE_PORT": str(port), "CLEARSCOPE_BROKER_URL": redis_service.url}
    with server.running(log, environment) as process:
        deadline_s = time.monotonic() + START_LIMIT_S
        while True:
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline_s, log.read_text("utf-8")
            try:
                response = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
            except httpx.TransportError:
                time.sleep(0.2)
            else:
                break
        assert response.is_success, response.text


def test_the_worker_image_is_built_and_denoises(images: ImageStore, tmp_path: Path) -> None:
    images.build(ROOT / "docker" / "worker.Dockerfile", "clearscope-worker")
    detector = Scmos.with_maps((64, 64), seed=0)
    photons_yx = 60 * simulate_specimen((64, 64), seed=1)
    noisy_yx = detector.observe(photons_yx, np.random.default_rng(2))
    tifffile.imwrite(tmp_path / "noisy.tif", noisy_yx)
    tmp_path.chmod(0o777)  # the image's user writes the result
    options = ("--preset", "fast", "--seed", "1", "--device", "cpu")
    images.create("clearscope-worker").run(
        "denoise", "/data/noisy.tif", "/data/denoised.tif", *options, folder=tmp_path
    )
    denoised_yx = tifffile.imread(tmp_path / "denoised.tif")
    signal_yx = detector.signal_adu(photons_yx)
    gain_db = psnr(denoised_yx, signal_yx) - psnr(noisy_yx, signal_yx)
    assert gain_db > 3
