"""The documented proxy, nginx with the lines of docs/operations.md: live events, and uploads of any size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.support import tus
from tests.support.event_streams import PATIENCE_S, stream
from tests.support.nginx import documented_proxy
from tests.support.posted_jobs import post, upload, wait_for
from tests.support.server_process import ServerProcess, server_without_worker
from tests.support.services import Redis

LARGER_THAN_NGINX_TAKES_BY_ITSELF = (1024, 1024)


@dataclass(frozen=True)
class Place:
    server: ServerProcess
    url: str
    image: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, redis_service: Redis) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("proxy")
    image = folder / "cells.tif"
    pixels_yx = np.random.default_rng(0).poisson(40, LARGER_THAN_NGINX_TAKES_BY_ITSELF)
    tifffile.imwrite(image, pixels_yx.astype("uint16"))
    server = server_without_worker(folder / "data", redis_service.url)
    server.start()
    changes = {"http://127.0.0.1:8000": server.url}
    try:
        with documented_proxy(folder, "Behind a TLS proxy", changes) as url:
            yield Place(server, url, image)
    finally:
        server.stop()


def test_events_come_at_once_and_go_on_after_a_restart(place: Place) -> None:
    with httpx.Client(base_url=place.url, timeout=PATIENCE_S) as api:
        image_id = upload(api, place.image)
        job_id = post(api, kind="train", method="n2v", image_ids=[image_id])["id"]
        with stream(place.url, f"/v1/jobs/{job_id}/events") as reader:
            last = reader.next("job_event", kind="queued").number
            reader.next("job")
            place.server.stop()
            assert all(message.event == ":" for message in reader.messages()), "the stream ends"
        assert api.get("/v1/jobs").status_code == 502
        place.server.start()
        with stream(place.url, "/v1/jobs/events", last_event_id=last) as reader:
            assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
            assert reader.next("job_event").data["kind"] == "cancelled"


def offset(api: httpx.Client, href: str) -> int:
    """Return how much the server has; 0 while it still looks."""
    return int(tus.state(api, href).headers.get("Upload-Offset", 0))


def test_what_was_sent_of_an_upload_is_kept_behind_the_proxy(place: Place) -> None:
    content = place.image.read_bytes()
    half = len(content) // 2

    def broken_off() -> Iterator[bytes]:
        yield content[:half]
        raise ConnectionError

    with httpx.Client(base_url=place.url, timeout=PATIENCE_S) as api:
        href = tus.create(api, len(content)).headers["Location"]
        with pytest.raises(ConnectionError):
            tus.append(api, href, broken_off(), 0, content_length=str(len(content)))
        wait_for(lambda: offset(api, href) > 0, "what nginx has received is at the server")
        kept = offset(api, href)
        done = tus.append(api, href, content[kept:], kept)
        assert done.status_code == 204, done.text
        assert tus.document(api, href)["image"]["size_bytes"] == len(content)
