"""Images of jobs on a remote store, read by ranges."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.image_files.channels import survey_image
from models_store.image_files.opening import open_planes
from tests.support.job_contexts import context_of
from tests.support.services import S3
from worker.attempt.context import JobContext
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.registry import KnownImage
from worker.jobs.inputs import open_images
from worker.offline.memory_registry import MemoryRegistry

PIXELS = np.random.default_rng(0).integers(0, 4000, (100, 128, 128), np.uint16)


@contextmanager
def context_with_stack(blobs: MeasuredBlobs, folder: Path) -> Iterator[JobContext]:
    path = folder / "stack.tif"
    tifffile.imwrite(path, PIXELS, photometric="minisblack", metadata={"axes": "TYX"})
    key = blobs.put_file("images/img_1/content", path).key
    registry = MemoryRegistry()
    with open_planes(path) as planes:
        header = planes.header
    # Two planes instead of a hundred: what the survey says makes no difference to what is read.
    tifffile.imwrite(path, PIXELS[:2], photometric="minisblack", metadata={"axes": "TYX"})
    with open_planes(path) as planes:
        registry.add_image(KnownImage("img_1", "stack.tif", key, survey_image(planes)), header)
    path.unlink()
    with context_of(registry, blobs) as context:
        yield context


@pytest.fixture
def bucket_url(s3_service: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in s3_service.environment.items():
        monkeypatch.setenv(name, value)
    return s3_service.create_bucket(f"ranges-{uuid.uuid4().hex}")


def test_a_part_fetches_its_own_planes_and_copies_no_file(
    bucket_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = MeasuredBlobs(bucket_url)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with context_with_stack(blobs, tmp_path) as context, open_images(context, ["img_1"]) as (image,):
        head_bytes = blobs.read_bytes
        for index in range(30, 40):
            np.testing.assert_array_equal(image.planes[index], PIXELS[index])
        own_bytes = PIXELS[30:40].nbytes
        assert own_bytes <= blobs.read_bytes - head_bytes <= 1.2 * own_bytes
        assert head_bytes < 2**16
        files = [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) == 0
