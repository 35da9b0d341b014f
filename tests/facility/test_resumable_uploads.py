"""Resumable uploads to a server that runs: tuspy, connections that break, a server that dies."""

import hashlib
import io
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import numpy as np
import pytest
import tifffile
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed
from tusclient.uploader.uploader import Uploader

from tests.support import tus
from tests.support.answers import PATIENCE_S
from tests.support.server_process import ServerProcess


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Server that a test may kill and start again."""
    process = ServerProcess(tmp_path_factory.mktemp("resumable") / "data")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def api(own_server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own_server.url, timeout=30, trust_env=False) as api:
        yield api


def test_tuspy_uploads_a_file_with_checksums(
    own_server: ServerProcess, api: httpx.Client, noisy_tiff: Path
) -> None:
    with noisy_tiff.open("rb") as file:
        upload = tuspy(own_server, file, upload_checksum=True)
        upload.upload()
    document = tus.document(api, str(upload.url))
    assert document["image"]["sha256"] == hashlib.sha256(noisy_tiff.read_bytes()).hexdigest()


def test_tuspy_goes_on_after_the_server_died(
    own_server: ServerProcess, api: httpx.Client, noisy_tiff: Path
) -> None:
    content = noisy_tiff.read_bytes()
    with noisy_tiff.open("rb") as file:
        interrupted = tuspy(own_server, file)
        interrupted.upload(stop_at=8000)
        # The server dies while the third part arrives.
        with _sent(own_server, str(interrupted.url), 8000, content[8000:], 2000):
            own_server.kill()
        with pytest.raises(TusUploadFailed):
            interrupted.upload(stop_at=12000)
        own_server.start()
        resumed = tuspy(own_server, file, url=interrupted.url)
        assert resumed.offset == 8000
        resumed.upload()
    image = tus.document(api, str(resumed.url))["image"]
    assert image["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.slow
def test_what_arrived_before_the_connection_broke_is_kept(
    own_server: ServerProcess, api: httpx.Client
) -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.random.default_rng(3).poisson(50, (1024, 1024)).astype(np.uint16))
    content = file.getvalue()
    href = tus.create(api, len(content)).headers["location"]
    # What lies in buffers when the connection ends is lost, which is less than a third of this.
    with _sent(own_server, href, 0, content, 2**20):
        pass
    deadline_s = time.monotonic() + PATIENCE_S
    while (kept := int(tus.state(api, href).headers["upload-offset"])) == 0:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert 2**19 < kept <= 2**20
    last = tus.append(api, href, content[kept:], kept)
    assert api.get(f"/v1/images/{last.headers['clearscope-image']}/content").content == content


def tuspy(server: ServerProcess, file: BinaryIO, **options: Any) -> Uploader:
    """Return tuspy's uploader of a file named cells.tif, in chunks of 4000 bytes."""
    client = TusClient(f"{server.url}/v1/uploads")
    return client.uploader(file_stream=file, metadata={"filename": "cells.tif"}, chunk_size=4000, **options)


def _sent(server: ServerProcess, href: str, offset: int, content: bytes, sent_bytes: int) -> socket.socket:
    """Return a connection on which the first bytes of a PATCH have been sent; its end breaks it off."""
    path = href.removeprefix(server.url)
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n"
        f"Content-Type: {tus.BYTES}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(head.encode() + content[:sent_bytes])
    return connection
