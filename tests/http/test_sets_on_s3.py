"""A set in one upload on an S3 store: read by ranges, denoised, and its result read again."""

import io
import uuid
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.support.application import MakeApplication
from tests.support.posted_jobs import artifact, run, upload
from tests.support.services import S3
from tests.support.tiff_sets import noisy, ome_set, zipped

PIXELS = noisy(1, 2, 1, 48, 64)  # T Z C Y X


def test_a_set_is_denoised(
    s3_service: S3, make_application: MakeApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_service.environment.items():
        monkeypatch.setenv(name, value)
    application = make_application(blob_url=s3_service.create_bucket(f"sets-{uuid.uuid4().hex}"))
    with application.client() as api, application.worker():
        path = zipped(tmp_path / "cells.zip", ome_set(PIXELS))
        image_id = upload(api, path)
        assert api.get(f"/v1/images/{image_id}/content").content == path.read_bytes()
        job = run(api, kind="denoise", image_ids=[image_id], preset="instant", outputs=["denoised"])
        result = artifact(api, job, "cells_denoised.ome.tif")
    with tifffile.TiffFile(io.BytesIO(result)) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("ZYX", (2, 48, 64))
        assert (np.std(tiff.asarray(), (1, 2)) < np.std(PIXELS[0, :, 0], (1, 2))).all()
        xml = tiff.ome_metadata or ""
    assert 'PhysicalSizeZ="0.7"' in xml
    assert "plane_" not in xml
