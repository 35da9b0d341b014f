"""Downloads of more than 4 GiB: an OME-Zarr in one ZIP64 file, read by ranges over HTTP."""

import io
import os
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from models_store.image_files.results.ome_zarr.archive import pack
from models_store.repositories.jobs.artifacts import get_artifact
from tests.support.application import Application
from tests.support.loopback_server import on_loopback
from tests.support.posted_jobs import upload
from tests.support.stored_results import store_result

LARGE_BYTES = 2**32 + 2**20


class RangedFile(io.RawIOBase):
    """A file on a server, read by ranges."""

    def __init__(self, url: str) -> None:
        self._url, self._position = url, 0
        with httpx.stream("GET", url) as whole:
            self.size_bytes = int(whole.headers["content-length"])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        self._position = base + offset
        return self._position

    def readall(self) -> bytes:
        return self.read(self.size_bytes - self._position)

    def read(self, size: int | None = -1, /) -> bytes:
        count = self.size_bytes - self._position if size is None or size < 0 else size
        last = min(self._position + count, self.size_bytes) - 1
        if last < self._position:
            return b""
        answer = httpx.get(self._url, headers={"Range": f"bytes={self._position}-{last}"})
        assert answer.status_code == 206
        self._position = last + 1
        return answer.content


@pytest.mark.slow
def test_a_result_beyond_4_gib_is_read_by_ranges(
    application: Application, api: httpx.Client, tmp_path: Path
) -> None:
    folder, archive = tmp_path / "result.ome.zarr", tmp_path / "result.ozx"
    (folder / "c").mkdir(parents=True)
    (folder / "zarr.json").write_text("{}")
    with (folder / "c" / "0").open("wb") as sparse:
        sparse.truncate(LARGE_BYTES)
    (folder / "c" / "1").write_bytes(b"after the large one")
    pack(folder, archive)
    image = tmp_path / "cells.tif"
    tifffile.imwrite(image, np.random.default_rng(0).poisson(60, (32, 48)).astype("uint16"))
    artifact_id = store_result(application, upload(api, image), [np.ones((32, 48), np.float32)])
    blob = application.blobs.take_file(f"jobs/{artifact_id}", archive)
    with application.database.write() as session:
        artifact = get_artifact(session, artifact_id)
        artifact.blob_key, artifact.sha256, artifact.size_bytes = blob.key, blob.sha256, blob.size_bytes
    with on_loopback(application) as url:
        file = RangedFile(f"{url}/v1/artifacts/{artifact_id}/content")
        assert file.size_bytes == blob.size_bytes > LARGE_BYTES
        with zipfile.ZipFile(file) as downloaded:
            assert [each.filename for each in downloaded.infolist()] == ["zarr.json", "c/0", "c/1"]
            assert downloaded.getinfo("c/0").file_size == LARGE_BYTES
            assert downloaded.getinfo("c/1").header_offset > 2**32
            assert downloaded.read("c/1") == b"after the large one"
    application.blobs.delete([blob.key])
