"""Inputs of handlers."""

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.image_files.channels import survey_image
from models_store.image_files.tiff.reader import open_planes
from models_store.survey.survey import survey_planes
from tests.support.databases import image, migrated_url, opened
from tests.support.job_contexts import context_of
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.registry import DatabaseRegistry, KnownImage
from worker.jobs.inputs import all_planes, open_images, survey_of
from worker.offline.memory_registry import MemoryRegistry

IMAGES = 300


@pytest.fixture
def few_files() -> Iterator[None]:
    """Limit the process to fewer open files than a job has images."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (IMAGES - 44, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_files")
def test_a_job_may_have_more_images_than_the_limit_of_open_files(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "image.tif", np.arange(256, dtype=np.uint16).reshape(16, 16))
    blobs = MeasuredBlobs((tmp_path / "blobs").as_uri())
    key = blobs.put_file("images/all/content", tmp_path / "image.tif").key
    image_ids = [f"img_{number}" for number in range(IMAGES)]
    with opened(migrated_url("sqlite", request, tmp_path)) as database:
        with database.write() as session:
            session.add_all(image(image_id, blob_key=key) for image_id in image_ids)
        with (
            context_of(DatabaseRegistry(database), blobs) as context,
            open_images(context, image_ids) as images,
        ):
            planes = all_planes(images)
            assert len(planes) == IMAGES
            assert planes[IMAGES - 1].sum() == sum(range(256))
            assert blobs.read_bytes == 256 * 2  # what was read, not what was opened


@pytest.mark.parametrize("surveyed", ["not yet", "as a whole", "by channel"])
def test_the_survey_of_a_channel_is_that_of_its_planes(tmp_path: Path, surveyed: str) -> None:
    planes_cyx = np.random.default_rng(1).integers(0, [[[9]], [[7000]]], (2, 32, 32), dtype=np.uint16)
    path = tmp_path / "two.tif"
    tifffile.imwrite(path, planes_cyx, imagej=True, metadata={"axes": "CYX"})
    blobs = MeasuredBlobs((tmp_path / "blobs").as_uri())
    key = blobs.put_file("images/img_1/content", path).key
    registry = MemoryRegistry()
    with open_planes(path) as source:
        stored = {"not yet": None, "as a whole": survey_planes(source), "by channel": survey_image(source)}
        registry.add_image(KnownImage("img_1", "two.tif", key, stored[surveyed]), source.header)
    with context_of(registry, blobs) as context, open_images(context, ["img_1"], 1) as images:
        assert len(all_planes(images)) == 1
        np.testing.assert_array_equal(all_planes(images)[0], planes_cyx[1])
        assert survey_of(context, images) == survey_planes(planes_cyx[1:])
        assert (blobs.read_bytes > 2 * planes_cyx[1].nbytes) == (surveyed != "by channel")
        # A job keeps the survey that it had to make, of all channels.
        kept = context.new_surveys.get("img_1")
        assert (kept is not None and len(kept.channels) == 2) == (surveyed == "not yet")
