"""A server in memory that keeps what it is sent by Idempotency-Key, and denoises nothing."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

MOMENT = "2026-03-01T12:00:00Z"
_DENOISED = b"denoised "


@dataclass
class FakeServer:
    """Answers as the API does; `refuses`: content that is no image, `result_suffix`: format of results."""

    refuses: bytes | None = None
    result_suffix: str | None = None
    images: dict[str, bytes] = field(default_factory=dict)
    """Content of each image, in the order in which they arrived."""
    names: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    """Image of each job."""
    calls: Counter[str] = field(default_factory=Counter)
    _answers: dict[tuple[str, str], str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.calls[f"{request.method} {'/'.join(path.split('/')[:3])}"] += 1
        key = ("images" if path == "/v1/images" else path, request.headers.get("Idempotency-Key", ""))
        if request.method == "POST" and path == "/v1/images":
            content = request.content
            if content == self.refuses:
                return problem(422, "image-corrupt", "this is no image")
            image_id = self._answers.setdefault(key, f"img_{next(self._numbers)}")
            self.images.setdefault(image_id, content)
            self.names.setdefault(image_id, request.url.params["filename"])
            return httpx2.Response(201, json=self._image(image_id))
        if request.method == "POST" and path == "/v1/jobs":
            (image_id,) = json.loads(request.content)["image_ids"]
            job_id = self._answers.setdefault(key, f"job_{next(self._numbers)}")
            self.jobs.setdefault(job_id, image_id)
            return httpx2.Response(202, json=self._job(job_id))
        if path.startswith("/v1/jobs/"):
            job_id = path.rpartition("/")[2]
            if job_id in self.jobs:
                return httpx2.Response(200, json=self._job(job_id))
        if path.startswith("/v1/artifacts/"):
            return httpx2.Response(200, content=_DENOISED + self.images[path.split("/")[3]])
        return problem(404, "not-found", f"nothing at {path}")

    def _image(self, image_id: str) -> dict[str, Any]:
        content = self.images[image_id]
        header = {
            "axes": "YX",
            "shape": [8, 8],
            "dtype": "uint8",
            "planes": 1,
            "height_px": 8,
            "width_px": 8,
            "pixel_size_um": None,
            "channel_names": [],
            "file_kind": "tiff",
            "decoded_bytes": 64,
        }
        return {
            "id": image_id,
            "filename": self.names[image_id],
            "role": "data",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
            "header": header,
            "origin": None,
            "content_href": f"/v1/images/{image_id}/content",
            "preview_href": f"/v1/images/{image_id}/preview.png",
            "created_at": MOMENT,
        }

    def _job(self, job_id: str) -> dict[str, Any]:
        image_id = self.jobs[job_id]
        content = _DENOISED + self.images[image_id]
        stem, _, suffix = self.names[image_id].rpartition(".")
        artifact = {
            "id": image_id,
            "name": f"{stem}_denoised.{self.result_suffix or suffix}",
            "media_type": "image/tiff",
            "image_id": image_id,
            "output": "denoised",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "href": f"/v1/artifacts/{image_id}/content",
        }
        return {
            "id": job_id,
            "kind": "denoise",
            "spec": {},
            "state": "succeeded",
            "progress": 1,
            "stage": "",
            "status": "",
            "attempt": 1,
            "plan": [],
            "stages": [],
            "error": None,
            "result": {"values": {}, "artifacts": [artifact], "trust": None},
            "created_at": MOMENT,
            "started_at": MOMENT,
            "ended_at": MOMENT,
        }


def problem(status: int, code: str, detail: str) -> httpx2.Response:
    document = {"type": f"urn:clearscope:problem:{code}", "title": code, "status": status, "detail": detail}
    return httpx2.Response(status, json=document)
