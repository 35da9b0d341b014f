"""A server whose jobs are followed by streams of events."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from models_store.clock_and_ids import system_clock
from models_store.image_files.isolation.client import Isolation
from models_store.repositories.jobs.rows import record_event
from tests.support.application import Application
from tests.support.event_streams import Stream, serving, stream
from tests.support.posted_jobs import post, upload, wait_for

OURS, THEIRS = "microscope of ours", "microscope of theirs"


@dataclass(frozen=True)
class Facility:
    """An application that serves connections, with two microscopes, an image of each, and three keys."""

    application: Application
    url: str
    admin: str
    ours: str
    theirs: str
    images: dict[str, str]

    def post(self, microscope: str = OURS) -> str:
        """Post a training, which no worker takes; return the job's id."""
        with self.application.client(self.admin) as api:
            job_id: str = post(api, kind="train", method="n2v", image_ids=[self.images[microscope]])["id"]
        return job_id

    def cancel(self, job_id: str) -> None:
        with self.application.client(self.admin) as api:
            assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 200

    def note(self, job_id: str, kind: str, count: int = 1) -> list[int]:
        """Record events; return their numbers."""
        with self.application.database.write() as session:
            for _ in range(count):
                record_event(session, job_id, kind, system_clock())
        with self.application.client(self.admin) as api:
            found = api.get(f"/v1/jobs/{job_id}/events", params={"limit": 1000}).json()
        return [event["number"] for event in found if event["kind"] == kind]


@contextmanager
def followed_facility(folder: Path, isolation: Isolation, noisy_tiff: Path) -> Iterator[Facility]:
    application = Application(folder / "data", isolation)
    streams = application.asgi.state.job_streams
    streams.interval_s, streams.keep_alive_s = 0.02, 0.2
    images = {}
    with application.client() as api:
        for name in (OURS, THEIRS):
            api.post("/v1/microscopes", json={"name": name})
            images[name] = upload(api, noisy_tiff, microscope=name)
    admin = application.make_key("admin", "admin")
    ours = application.make_key("ours", "read", microscopes=[OURS])
    theirs = application.make_key("theirs", "read", microscopes=[THEIRS])
    with serving(application.asgi) as url:
        yield Facility(application, url, admin, ours, theirs, images)
    application.close()


def opened(
    facility: Facility,
    path: str = "/v1/jobs/events",
    key: str | None = None,
    last_event_id: int | None = None,
) -> AbstractContextManager[Stream]:
    return stream(facility.url, path, key or facility.admin, last_event_id)


def listening(facility: Facility, count: int = 1) -> None:
    """Wait until the server has this many listeners: what happens from then on, they get."""
    streams = facility.application.asgi.state.job_streams
    wait_for(lambda: len(streams._listeners) == count, f"{count} listeners")
