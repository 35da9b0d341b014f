"""Large files are sent in parts, and go on where they were broken off."""

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
import tifffile

from clearscope_client import AsyncClearScope, ClearScope, Conduct, Outage, Progress, Retries
from clearscope_client.errors import (
    InvalidRequestError,
    NotFoundError,
    ServerRefusedError,
    ServerUnreachableError,
    SourceChangedError,
)
from clearscope_client.spool import Delivered, Spool
from models_store.repositories.microscopes import find_microscope
from tests.support.application import Application, MakeApplication
from tests.support.client_transports import IMPATIENT, URL, InProcess, connected

PART_BYTES = 4000
UPLOAD = "/v1/uploads/"


@dataclass
class Breaking(httpx2.BaseTransport):
    """Breaks parts off, by number: the application receives half of them, or their answers are lost."""

    inner: httpx2.BaseTransport
    halves: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()
    ends_at: float = math.inf
    """From this part on, the network is away."""
    offsets: list[int] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.methods.append(request.method)
        if request.method != "PATCH":
            return self.inner.handle_request(request)
        number, content = len(self.offsets), request.read()
        self.offsets.append(int(request.headers["Upload-Offset"]))
        if number >= self.ends_at:
            raise httpx2.ConnectError("the network is away")
        if number in self.halves:
            headers = {**request.headers, "content-length": str(len(content) // 2)}
            half = httpx2.Request("PATCH", request.url, headers=headers, content=content[: len(content) // 2])
            assert self.inner.handle_request(half).is_success
            raise httpx2.WriteError("the connection was reset")
        answer = self.inner.handle_request(request)
        if number in self.lost:
            raise httpx2.ReadError("the connection was reset")
        return answer


@pytest.fixture(scope="module")
def stack_tiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "stack.tif"
    tifffile.imwrite(
        path, np.random.default_rng(0).poisson(60, (3, 40, 64)).astype(np.uint16), photometric="minisblack"
    )
    return path


def in_parts(from_bytes: int = 0) -> Conduct:
    return Conduct(URL, IMPATIENT, resumable_from_bytes=from_bytes, part_bytes=PART_BYTES)


@pytest.fixture
def breaking(application: Application) -> Iterator[Any]:
    clients: list[ClearScope] = []

    def make(**breaks: Any) -> tuple[ClearScope, Breaking]:
        transport = Breaking(InProcess(application), **breaks)
        conduct = in_parts()
        if "ends_at" in breaks:
            conduct.retries = Retries(outage_s=0)
        clients.append(ClearScope(URL, conduct=conduct, transport=transport))
        return clients[-1], transport

    yield make
    for client in clients:
        client.close()


def test_parts_that_were_broken_off_are_gone_on_with(breaking: Any, stack_tiff: Path) -> None:
    size_bytes = stack_tiff.stat().st_size
    whole_parts = -(-size_bytes // PART_BYTES)
    client, transport = breaking(halves=frozenset({1}), lost=frozenset({3, whole_parts}))
    outages: list[Outage] = []
    client.conduct.on_outage = outages.append
    client.ensure_microscope("Scope 2, ü")
    told: list[Progress] = []
    image = client.upload(
        stack_tiff, microscope="Scope 2, ü", settings={"camera": "sCMOS", "gain": 2}, on_progress=told.append
    )
    assert image.sha256 == hashlib.sha256(stack_tiff.read_bytes()).hexdigest()
    assert (image.filename, image.profile_choice) == ("stack.tif", "settings")
    assert image.origin is not None
    assert image.origin.microscope == "Scope 2, ü"
    assert [each / PART_BYTES for each in transport.offsets[:5]] == [0, 1, 1.5, 2.5, 3.5]
    assert transport.methods.count("OPTIONS") == 1
    assert told[-1].fraction == 1.0
    assert [each.pause_s is None for each in outages] == [False, True, False, False, True]
    assert client.read("/v1/images?limit=200").count(b'"stack.tif"') == 1


def test_the_same_key_makes_one_image_in_parts_or_at_once(application: Application, stack_tiff: Path) -> None:
    with connected(application, conduct=in_parts()) as client, connected(application) as other:
        first = client.upload(stack_tiff, key="once")
        assert client.upload(stack_tiff, key="once").id == other.upload(stack_tiff, key="once").id == first.id


def test_a_later_process_goes_on_with_a_file(breaking: Any, stack_tiff: Path, tmp_path: Path) -> None:
    first, _ = breaking(ends_at=2)
    with pytest.raises(ServerUnreachableError):
        first.upload(stack_tiff, resume=tmp_path)
    second, transport = breaking()
    image = second.upload(stack_tiff, resume=tmp_path)
    assert image.sha256 == hashlib.sha256(stack_tiff.read_bytes()).hexdigest()
    assert transport.offsets[0] == 2 * PART_BYTES
    assert list(tmp_path.iterdir()) == []
    assert second.upload(stack_tiff, resume=tmp_path).id != image.id, (
        "a whole upload is not taken for a begun"
    )


@pytest.mark.parametrize("note", ["/v1/uploads/upl_0", "", "/v1/uploads/ü"])
def test_an_upload_that_the_server_forgot_is_begun_anew(
    breaking: Any, stack_tiff: Path, tmp_path: Path, note: str
) -> None:
    first, _ = breaking(ends_at=1)
    with pytest.raises(ServerUnreachableError):
        first.upload(stack_tiff, key="forgotten", resume=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text(note, "utf-8")
    second, transport = breaking()
    image = second.upload(stack_tiff, key="forgotten", resume=tmp_path)
    assert image.sha256 == hashlib.sha256(stack_tiff.read_bytes()).hexdigest()
    assert transport.offsets[0] == 0


def test_the_next_spool_goes_on_with_a_large_frame(breaking: Any, stack_tiff: Path, tmp_path: Path) -> None:
    first, away = breaking(ends_at=2)
    with Spool(tmp_path, first, hold_s=3600) as spool:
        spool.post(stack_tiff)
        while len(away.offsets) < 3:
            time.sleep(0.01)
    second, transport = breaking()
    delivered: list[Delivered] = []
    with Spool(tmp_path, second, on_delivered=delivered.append) as spool:
        assert spool.wait_until_sent(60)
    assert transport.offsets[0] == 2 * PART_BYTES
    assert [each.sha256 for each in delivered] == [hashlib.sha256(stack_tiff.read_bytes()).hexdigest()]


@pytest.mark.parametrize("lost", [frozenset(), frozenset({0})])
def test_what_is_refused_is_told_even_if_the_answer_was_lost(
    breaking: Any, tmp_path: Path, lost: frozenset[int]
) -> None:
    path = tmp_path / "notes.tif"
    path.write_text("no image")
    client, _ = breaking(lost=lost)
    with pytest.raises(InvalidRequestError, match=r"notes\.tif: Image corrupt: ") as refused:
        client.upload(path)
    assert (refused.value.code, refused.value.http_status) == ("image-corrupt", 422)


@pytest.mark.parametrize("lost", [frozenset(), frozenset({0})])
def test_a_refusal_is_not_repeated_once_its_cause_has_gone(
    make_application: MakeApplication, stack_tiff: Path, tmp_path: Path, lost: frozenset[int]
) -> None:
    application = make_application()
    conduct = Conduct(URL, IMPATIENT, resumable_from_bytes=0)
    transport = Breaking(InProcess(application), lost=lost)

    def rename(before: str, after: str) -> None:
        with application.database.write() as session:
            find_microscope(session, before).name = after

    with connected(application, conduct=conduct, transport=transport) as client:
        client.ensure_microscope("Scope")
        sent: dict[str, Any] = {"microscope": "Scope", "key": "frame", "resume": tmp_path}
        with pytest.raises(NotFoundError, match="Scope"):
            client.upload(stack_tiff, **sent, on_progress=lambda _: rename("Scope", "away"))
        assert "PATCH" in transport.methods
        rename("away", "Scope")
        assert client.upload(stack_tiff, **sent).filename == "stack.tif"


def test_a_file_that_changes_in_between_makes_no_image(
    breaking: Any, stack_tiff: Path, tmp_path: Path
) -> None:
    path = tmp_path / "growing.tif"
    path.write_bytes(stack_tiff.read_bytes())
    client, _ = breaking()

    def grow(_: Progress) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(SourceChangedError, match="has changed while it was sent"):
        client.upload(path, on_progress=grow)


def test_an_upload_that_the_server_forgot_is_begun_again(application: Application, stack_tiff: Path) -> None:
    @dataclass
    class Forgetting(httpx2.BaseTransport):
        inner: httpx2.BaseTransport
        beginnings: int = 0

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.method == "POST" and request.url.path == "/v1/uploads":
                self.beginnings += 1
            if request.url.path.startswith(UPLOAD) and self.beginnings == 1:
                return httpx2.Response(404)
            return self.inner.handle_request(request)

    transport = Forgetting(InProcess(application))
    with connected(application, conduct=in_parts(), transport=transport) as client:
        assert client.upload(stack_tiff).filename == "stack.tif"
    assert transport.beginnings == 2


@dataclass
class Making(httpx2.BaseTransport):
    """A server that is busy with the image until a time, which only pauses of the client move on."""

    inner: httpx2.BaseTransport
    until_s: float
    now_s: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "PATCH" and self.now_s < self.until_s:
            return httpx2.Response(423, headers={"Retry-After": "5"})
        return self.inner.handle_request(request)

    def upload(self, application: Application, path: Path) -> str:
        conduct = Conduct(URL, resumable_from_bytes=0, monotonic_s=lambda: self.now_s)
        with connected(application, conduct=conduct, transport=self, sleep=self.sleep) as client:
            return client.upload(path).filename


def test_an_image_that_takes_long_to_make_is_waited_for(application: Application, stack_tiff: Path) -> None:
    assert Making(InProcess(application), until_s=1500).upload(application, stack_tiff) == "stack.tif"
    for_ever = Making(InProcess(application), until_s=float("inf"))
    with pytest.raises(ServerRefusedError, match="423"):
        for_ever.upload(application, stack_tiff)
    assert 1800 < for_ever.now_s < 1900


def test_a_server_without_resumable_uploads_gets_the_file_at_once(
    application: Application, stack_tiff: Path
) -> None:
    class Earlier(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.url.path.startswith("/v1/uploads"):
                return httpx2.Response(404)
            return InProcess(application).handle_request(request)

    with connected(application, conduct=in_parts(), transport=Earlier()) as client:
        assert client.upload(stack_tiff).filename == "stack.tif"


def test_the_twin_sends_in_parts_too_and_small_files_go_at_once(
    application: Application, stack_tiff: Path
) -> None:
    async def upload(conduct: Conduct) -> str:
        async with AsyncClearScope(URL, conduct=conduct, transport=InProcess(application)) as client:
            return (await client.upload(stack_tiff)).sha256

    large, small = in_parts(), in_parts(from_bytes=10**6)
    assert anyio.run(upload, large) == anyio.run(upload, small)
    assert (large.resumes, small.resumes) == (True, None)
