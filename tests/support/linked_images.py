"""A server with an image and a result to which signed links are made."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from models_store.clock_and_ids import system_clock
from models_store.contracts.vocabulary import OutputDtype
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.results.result_file import ResultOptions
from tests.support.application import Application
from tests.support.loopback_server import on_loopback
from tests.support.posted_jobs import upload
from tests.support.stored_results import store_result

RNG = np.random.default_rng(7)

NEUROGLANCER, VIZARR = "https://neuroglancer.example.org/v/1/", "https://vizarr.example.org/"


@dataclass(eq=False)
class Clock:
    """The system's clock, some time ahead."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return system_clock() + self.ahead


@dataclass(frozen=True)
class Facility:
    """A server with keys of two microscopes, and an image and a result of one of them."""

    application: Application
    clock: Clock
    url: str
    ours: str
    theirs: str
    image_id: str
    artifact_id: str


NOISY = RNG.poisson(60, (3, 2, 40, 600)).astype("uint16")

CLEAN = RNG.normal(60, 5, (6, 40, 600)).astype("float32")


@contextmanager
def linked_facility(folder: Path, isolation: Isolation) -> Iterator[Facility]:
    clock = Clock()
    application = Application(
        folder / "data", isolation, clock=clock, neuroglancer_url=NEUROGLANCER, vizarr_url=VIZARR
    )
    keys = []
    with application.client(application.make_key("admin", "admin")) as api:
        for name in ("ours", "theirs"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
            keys.append(application.make_key(name, "read", "submit", microscopes=[name]))
        path = folder / "cells.ome.tif"
        metadata: dict[str, Any] = {
            "axes": "ZCYX",
            **{f"PhysicalSize{axis}": size for axis, size in (("X", 0.1), ("Y", 0.2), ("Z", 0.5))},
            "Channel": {"Name": ["DAPI", "GFP"]},
        }
        tifffile.imwrite(path, NOISY, ome=True, photometric="minisblack", metadata=metadata)
        image_id = upload(api, path, microscope="ours")
    artifact_id = store_result(application, image_id, CLEAN, options=ResultOptions(dtype=OutputDtype.FLOAT32))
    with on_loopback(application) as url:
        ours, theirs = keys
        yield Facility(application, clock, url, ours, theirs, image_id, artifact_id)
    application.close()


def link(facility: Facility, of: str = "", key: str = "", **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key or facility.ours}"}
    path = of or f"artifacts/{facility.artifact_id}"
    return httpx.post(f"{facility.url}/v1/{path}/zarr", headers=headers, params=query)


def made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def read(href: str, path: str = "0") -> NDArray[Any]:
    array = zarr.open_array(f"{href}/{path}", mode="r")
    return np.asarray(array[:])
