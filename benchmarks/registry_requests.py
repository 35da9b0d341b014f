"""Requests that choose and list in a large registry, in this process, beside those to a small one."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx

from app.main import create_app
from models_store.blobs.blobs import Blobs
from models_store.database.engines import Database
from models_store.image_files.isolation.client import Isolation
from models_store.outbound.notifier import Notifier
from models_store.settings import Settings

_OF_MICROSCOPE = "limit=20&microscope=scope%200"
PREFLIGHTS = {"choose, exact profile": "img_00000000", "choose, nearest profile": "img_00000001"}
LISTS = {
    "images": "/v1/images?limit=20",
    "images of a microscope": f"/v1/images?{_OF_MICROSCOPE}",
    "images of a profile": "/v1/images?limit=20&profile=prof_0",
    "noise models": "/v1/noise-models?limit=20",
    "noise models of a microscope": f"/v1/noise-models?{_OF_MICROSCOPE}",
    "active noise models of a microscope": f"/v1/noise-models?{_OF_MICROSCOPE}&active_at=2100-01-01T00:00Z",
    "profiles of a microscope": "/v1/microscopes/mic_0/profiles?limit=20",
    "history of a microscope": f"/v1/noise-models/history?{_OF_MICROSCOPE}",
    "control charts of a profile": "/v1/microscopes/mic_0/profiles/prof_0/control-charts",
    "page of a microscope": "/instruments/mic_0",
}


def measure(few: Database, many: Database, repeats: int) -> dict[str, tuple[float, float]]:
    """Return the times (ms) of each request to the small and to the large registry, the best of some."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(few, many, repeats, Path(folder)))


async def _measured(
    few: Database, many: Database, repeats: int, folder: Path
) -> dict[str, tuple[float, float]]:
    async with _client(few, folder / "few") as of_few, _client(many, folder / "many") as of_many:
        found = {}
        for what in (*PREFLIGHTS, *LISTS):
            # Alternating, so that both see the same machine load.
            times = [(await _time_ms(of_few, what), await _time_ms(of_many, what)) for _ in range(repeats)]
            small_ms, full_ms = (min(each) for each in zip(*times, strict=True))
            found[f"HTTP: {what}"] = small_ms, full_ms
        return found


def _client(database: Database, folder: Path) -> httpx.AsyncClient:
    folder.mkdir()
    settings = Settings(data_dir=folder)
    app = create_app(
        settings,
        database=database,
        blobs=Blobs.of(settings),
        isolation=Mock(Isolation),
        dispatcher=Mock(Notifier),
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=60)


async def _time_ms(client: httpx.AsyncClient, what: str) -> float:
    started_s = time.perf_counter()
    answer = await _sent(client, what)
    elapsed_ms = (time.perf_counter() - started_s) * 1000
    answer.raise_for_status()
    return elapsed_ms


async def _sent(client: httpx.AsyncClient, what: str) -> httpx.Response:
    if (image_id := PREFLIGHTS.get(what)) is None:
        return await client.get(LISTS[what])
    spec: dict[str, Any] = {"kind": "denoise", "preset": "instant", "image_ids": [image_id]}
    return await client.post("/v1/jobs/preflight", json=spec)
