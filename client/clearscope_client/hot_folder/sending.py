"""One image of a hot folder: sent once by its content, gone on with after a restart."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from clearscope_client.awaiting import AsyncClearScope
from clearscope_client.documents import Job
from clearscope_client.errors import NotFoundError, SourceChangedError
from clearscope_client.hot_folder.arrivals import Arrival
from clearscope_client.hot_folder.journal import Entry, Journal
from clearscope_client.hot_folder.results import before_name, fitting, result_names, stem_of
from clearscope_client.sources import FileSource, Source, set_of, source_of

UPLOADS_FOLDER = ".clearscope-uploads"


@dataclass(frozen=True)
class Sent:
    digest: str
    told: str


class Sending:
    """Sends images to one server, all with the same options."""

    def __init__(
        self,
        client: AsyncClearScope,
        microscope: str | None,
        profile: str | None,
        spec: Mapping[str, Any],
        *,
        keep_earlier: bool,
    ) -> None:
        """`keep_earlier`: whether the result of a file stays when another one arrives under its name."""
        self._client = client
        self._microscope = microscope
        self._profile = profile
        self._spec = dict(spec)
        self._keep_earlier = keep_earlier
        self._digests: dict[str, tuple[str, str]] = {}
        self._locks: dict[str, anyio.Lock] = {}

    async def send(self, arrival: Arrival, journal: Journal, output: Path) -> Sent:
        """Have an image denoised and write its results. Raises ClientError."""
        source = await to_thread.run_sync(_source, arrival)
        digest = await to_thread.run_sync(_digest, source)
        self._digests[arrival.name] = (arrival.state, digest)
        # Of two copies that arrive together, the second finds the job of the first.
        async with self._locks.setdefault(digest, anyio.Lock()):
            return await self._send_once(arrival, source, digest, journal, output)

    async def _send_once(
        self, arrival: Arrival, source: Source, digest: str, journal: Journal, output: Path
    ) -> Sent:
        known = journal.of_content(digest)
        if known is not None and known.job_id is not None and known.state in {"posted", "done"}:
            try:
                return await self._bring(arrival, known, journal, output)
            except NotFoundError:
                # Somebody has deleted the job or its results; so it is sent anew.
                known = known.model_copy(update={"attempt": known.attempt + 1})
        attempt = 1 if known is None else known.attempt + (known.state == "failed")
        posted = await self._post(arrival, source, digest, attempt, journal, output / UPLOADS_FOLDER)
        return await self._bring(arrival, posted, journal, output)

    def fail(self, arrival: Arrival, journal: Journal, reason: str) -> None:
        """Note that an image has no result."""
        state, digest = self._digests.get(arrival.name, ("", ""))
        known = journal.of_content(digest)
        attempt = known.attempt if known else 1
        if state == arrival.state:
            journal.record(
                Entry(
                    digest=digest,
                    name=arrival.name,
                    sent_as=arrival.name,
                    file_state=state,
                    state="failed",
                    attempt=attempt,
                    reason=reason,
                )
            )

    async def _post(
        self,
        arrival: Arrival,
        source: Source,
        digest: str,
        attempt: int,
        journal: Journal,
        uploads: Path,
    ) -> Entry:
        key = self._key(digest, arrival.name, attempt)
        image = await self._client.upload(
            source, microscope=self._microscope, profile=self._profile, key=key, resume=uploads
        )
        if isinstance(source, FileSource) and image.sha256 != digest:
            raise SourceChangedError(f"{source.told_as} has changed while it was sent")
        spec = {"kind": "denoise", "image_ids": [image.id], **self._spec}
        job = await self._client.submit(spec, key=key)
        posted = Entry(
            digest=digest,
            name=arrival.name,
            sent_as=arrival.name,
            file_state=arrival.state,
            state="posted",
            attempt=attempt,
            image_id=image.id,
            job_id=job.id,
            parts=_parts(arrival),
        )
        journal.record(posted)
        return posted

    async def _bring(self, arrival: Arrival, posted: Entry, journal: Journal, output: Path) -> Sent:
        job = await self._client.wait(posted.job_id or "")
        written: list[str] = []
        for artifact in job.result.artifacts if job.result else ():
            names = result_names(artifact, posted.sent_as, arrival.name)
            written.append(self._claim(journal, names, arrival.name, posted.digest))
            await self._client.save(artifact, output / written[-1])
        done = {
            "name": arrival.name,
            "file_state": arrival.state,
            "state": "done",
            "parts": _parts(arrival),
            "results": tuple(written),
        }
        journal.record(posted.model_copy(update=done))
        renamed = [each for each in written if each.rpartition("/")[2].startswith(_before(posted.digest))]
        return Sent(posted.digest, _told(job, renamed))

    def _claim(self, journal: Journal, names: tuple[str, str], name: str, digest: str) -> str:
        """Return the name for a result, which is no longer that of another source."""
        result, instead = map(fitting, names)
        taken_by = journal.source_of_result(result)
        if taken_by is not None and taken_by[0] != name:
            result = instead
            taken_by = journal.source_of_result(result)
        if self._keep_earlier and taken_by is not None and taken_by != (name, digest):
            result = fitting(before_name(_before(digest), result))
        journal.claim_result(result, name, digest)
        return result

    def _key(self, digest: str, name: str, attempt: int) -> str:
        """Return the Idempotency-Key of content, name and options: a lost journal sends nothing twice."""
        told = [digest, name, attempt, self._microscope, self._profile, self._spec]
        return "watch-" + hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _source(arrival: Arrival) -> Source:
    if not arrival.parts:
        return source_of(arrival.path)
    name = f"{stem_of(arrival.path.name)}.zip"
    return set_of(name, str(arrival.path), [part.path for part in arrival.parts])


def _parts(arrival: Arrival) -> tuple[str, ...]:
    return tuple(part.name for part in arrival.parts)


def _digest(source: Source) -> str:
    digest = hashlib.sha256()
    for chunk in source.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _before(digest: str) -> str:
    """Return what the name of a result begins with if an earlier file's has that name."""
    return f"{digest[:8]}-"


def _told(job: Job, renamed: Sequence[str]) -> str:
    told = f"denoised as {', '.join(renamed)}" if renamed else "denoised"
    if job.result is None or job.result.trust is None:
        return told
    return f"{told}; {job.result.trust.sentence}"
