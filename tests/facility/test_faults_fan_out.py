"""A divided prediction whose worker dies: no plane is lost, and hardly any is computed again."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.posted_jobs import TINY, Document, events, post, upload, wait_for_success, wait_until
from tests.support.result_files import files_of_images
from tests.support.services import Postgres, Redis
from tests.support.worker_process import Facility

PLANES, SIDE_PX = 10, 256
PARTS = 10


@pytest.fixture
def facility(tmp_path: Path, postgres_service: Postgres, redis_service: Redis) -> Iterator[Facility]:
    """A server and a sweeper; each plane is one part."""
    facility = Facility(
        tmp_path / "facility",
        postgres_service.create_database("fan_out"),
        redis_service.url,
        part_pixels=str(SIDE_PX**2),
        lease_s="3",
    )
    facility.start()
    facility.beat()
    yield facility
    facility.close()


def _is_shared(job: Document) -> bool:
    parts = job["stages"][-1]["parts"]
    return bool(2 <= parts["done"] < PARTS - 4)


@pytest.mark.slow
def test_other_workers_take_over_the_parts_of_one_that_was_killed(facility: Facility, tmp_path: Path) -> None:
    stack_zyx = np.random.default_rng(1).poisson(60, (PLANES, SIDE_PX, SIDE_PX)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack_zyx, photometric="minisblack")
    tifffile.imwrite(tmp_path / "plane.tif", stack_zyx[0, :64, :64])
    with facility.api() as api:
        killed, other = facility.live_workers(2)
        plane, stack = (upload(api, tmp_path / name) for name in ("plane.tif", "stack.tif"))
        training = post(api, kind="train", method="n2v", image_ids=[plane], budget=TINY)["id"]
        trained = wait_for_success(api, training)
        network = trained["result"]["values"]["network_id"]
        job_id = post(api, kind="predict", image_ids=[stack], network=network)["id"]
        wait_until(api, job_id, _is_shared)
        killed.kill()
        job = wait_for_success(api, job_id)
        assert other.is_running
        assert job["stages"][-1]["parts"] == {"done": PARTS, "total": PARTS}
        _check_result(api, job, stack_zyx.shape)
        claims = Counter(event["job_id"] for event in events(api, job_id) if event["kind"] == "claimed")
        workers = {event["detail"]["worker"] for event in events(api, job_id) if event["kind"] == "claimed"}
    assert len(workers) == 2
    assert len(claims) == PARTS + 2
    assert sum(claims.values()) <= PARTS + 3, "more than the part under way is computed again"


def _check_result(api: httpx.Client, job: Document, shape: tuple[int, ...]) -> None:
    (artifact,) = files_of_images(job)
    content = api.get(artifact["href"]).content
    assert hashlib.sha256(content).hexdigest() == artifact["sha256"]
    denoised = tifffile.imread(io.BytesIO(content))
    assert denoised.shape == shape
    assert np.isfinite(denoised).all()
