"""Requests to a ClearScope server."""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np

from models_store.contracts.noise_models import noise_model_parameters
from models_store.noise_model_files.moments import variance_adu2

Document = dict[str, Any]
PATIENCE_S = 300.0
POLL_S = 0.2


class Service:
    """A server, and the key to it; what it refuses stops the program with its reason."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url, self.has_key = url, key is not None
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401  # a document, or a list of them
        return self._accepted(self._http.get(path, params=query))

    def post(self, path: str, body: Document) -> Document:
        answer: Document = self._accepted(self._http.post(path, json=body))
        return answer

    def refused(self, path: str, body: Document) -> str:
        """Post what should be refused, and return the reason."""
        answer = self._http.post(path, json=body)
        assert answer.is_client_error, f"{path} was accepted: {answer.text}"
        detail: str = answer.json()["detail"]
        return detail

    def content(self, path: str) -> bytes:
        answer = self._http.get(path)
        assert answer.is_success, answer.text
        return answer.content

    def upload(self, path: Path, **query: str) -> Document:
        query = {"filename": path.name, **query}
        answer: Document = self._accepted(
            self._http.post("/v1/images", params=query, content=path.read_bytes())
        )
        return answer

    def finished(self, spec: Document) -> Document:
        """Post a job and return it once it has succeeded."""
        job = self.post("/v1/jobs", spec)
        give_up_s = time.monotonic() + PATIENCE_S
        while job["state"] in {"queued", "running"}:
            assert time.monotonic() < give_up_s, f"job {job['id']} takes too long: {job['status']}"
            time.sleep(POLL_S)
            job = self.get(f"/v1/jobs/{job['id']}")
        assert job["state"] == "succeeded", f"job {job['id']} {job['state']}: {job['error']}"
        return job

    @staticmethod
    def _accepted(answer: httpx.Response) -> Any:  # noqa: ANN401  # any JSON value
        assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.text}"
        return answer.json()


def noise_model_step(planned: Document) -> Document:
    """Return the step of a plan that tells where the noise model comes from."""
    (step,) = (each for each in planned["plan"] if each["stage"] == "noise_model")
    found: Document = step
    return found


def gain_of(noise_model: Document) -> float:
    """Return the slope of a noise model's variance over its signals, in ADU per photon."""
    parameters = noise_model_parameters.validate_python(noise_model["parameters"])
    low_adu, high_adu = parameters.signal_min_adu, parameters.signal_max_adu
    signals_adu = low_adu + (high_adu - low_adu) * np.linspace(0.1, 0.9, 9)
    slope, _ = np.polyfit(signals_adu, variance_adu2(parameters, signals_adu), 1)
    return float(slope)
