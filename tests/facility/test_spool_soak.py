"""Thousands of frames through a spool to a server that is killed at random: each arrives once, in order.

FRAMES=200 runs fewer.
"""

import hashlib
import os
import threading
import time
from pathlib import Path
from random import Random

import httpx
import numpy as np
import pytest

from clearscope_client import ClearScope, Conduct, ImageArray, Retries
from clearscope_client.arrays import ome_tiff
from clearscope_client.spool import Delivered, Spool
from tests.support.server_process import ServerProcess

FRAMES = int(os.environ.get("FRAMES", "10000"))
# In frames, so that a slow machine has as many kills and no more starts.
LONGEST_LIFE = max(FRAMES // 10, 20)
# Beside other programs, a start may take minutes; the point here is what arrives, not when.
START_LIMIT_S = 900.0


@pytest.mark.soak
def test_each_frame_arrives_once_and_in_order(tmp_path: Path) -> None:
    rng, random = np.random.default_rng(0), Random(0)  # noqa: S311  # no secret
    server = ServerProcess(tmp_path / "data")
    server.start_limit_s = START_LIMIT_S
    delivered: list[Delivered] = []
    digests: list[str] = []
    kills = 0
    began_s = time.monotonic()
    conduct = Conduct(server.url, Retries(outage_s=0, first_contact_s=0))
    with (
        ClearScope(server.url, conduct=conduct) as client,
        Spool(tmp_path / "spool", client, hold_s=0.2, on_delivered=delivered.append) as spool,
    ):

        def acquire() -> None:
            for number in range(FRAMES):
                pixels_yx = rng.integers(100, 4000, (16, 16), np.uint16)
                frame = ImageArray(pixels_yx, "YX", name=f"frame {number}")
                digests.append(hashlib.sha256(ome_tiff(frame)).hexdigest())
                spool.post(frame)

        acquiring = threading.Thread(target=acquire)
        acquiring.start()
        try:
            while acquiring.is_alive() or spool.waiting:
                server.start()
                enough = len(delivered) + random.randint(1, LONGEST_LIFE)
                while len(delivered) < enough and (acquiring.is_alive() or spool.waiting):
                    time.sleep(0.05)
                time.sleep(random.uniform(0, 0.2))
                server.kill()
                kills += 1
        finally:
            acquiring.join()
        server.start()
    try:
        stored = images_of(server.url)
    finally:
        server.stop()
    assert kills >= 1
    assert [each["sha256"] for each in stored] == digests
    assert [each["id"] for each in stored] == [each.image_id for each in delivered]
    print(f"{FRAMES} frames, {kills} kills, {time.monotonic() - began_s:.0f} s")  # noqa: T201  # what was done


def images_of(url: str) -> list[dict[str, str]]:
    """Return all images of a server, the oldest first."""
    found: list[dict[str, str]] = []
    with httpx.Client(base_url=url, timeout=60) as api:
        page: str | None = "/v1/images?limit=200"
        while page is not None:
            answer = api.get(page)
            found += answer.json()
            page = answer.links.get("next", {}).get("url")
    return found[::-1]
