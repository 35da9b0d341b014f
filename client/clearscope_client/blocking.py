"""The client that blocks."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from clearscope_client import denoising, downloads, jobs, reading, registry, uploads
from clearscope_client.connection import TimeLimits, answer_of, http_options, reason_of, request_options
from clearscope_client.denoising import Denoised, DenoiseOptions, Sent
from clearscope_client.documents import (
    Artifact,
    Job,
    Microscope,
    NoiseModel,
    Preflight,
    Profile,
    UploadedImage,
)
from clearscope_client.progress import Told, tell_nobody
from clearscope_client.retrying import Conduct
from clearscope_client.steps import Answer, Conversation, NoAnswer, Pause, Request, Result, Step
from clearscope_client.uploads import UploadOptions


class ClearScope:
    """A server, reached through HTTP; a context manager, and safe to use from several threads."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        conduct: Conduct | None = None,
        limits: TimeLimits | None = None,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open a connection pool.

        `key`: API key, if the server requires one. `conduct`: retries, clocks, and what is told of outages.
        `transport`: takes the place of the network.
        """
        self.conduct = conduct or Conduct(url)
        self._limits = limits or TimeLimits()
        self._http = httpx2.Client(transport=transport, **http_options(url, key, self._limits))
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def denoise(
        self,
        image: Sent,
        *,
        microscope: str | None = None,
        profile: str | None = None,
        settings: Mapping[str, Any] | None = None,
        series: int | None = None,
        preset: str | None = None,
        spec: Mapping[str, Any] | None = None,
        output: Path | None = None,
        key: str | None = None,
        resume: Path | None = None,
        cancel_if_interrupted: bool = False,
        on_progress: Told = tell_nobody,
    ) -> Denoised:
        """Upload a file, folder or array, denoise it, and bring the results back.

        `settings`: acquisition settings, which win over those in the file. `spec`: further fields of the job.
        `output`: folder for the result files, which else stay in memory. `key`: Idempotency-Key of upload and
        job; the same key never makes a second image or job. `resume`: as of `upload`. Raises ClientError.
        """
        told = UploadOptions(microscope, profile, settings, series=series, key=key, resume=resume)
        chosen = {**({} if preset is None else {"preset": preset}), **(spec or {})}
        options = DenoiseOptions(told, chosen, output, key, cancel_if_interrupted)
        return self._lead(denoising.denoise(self.conduct, image, options, on_progress))

    def upload(
        self,
        image: Sent,
        *,
        microscope: str | None = None,
        profile: str | None = None,
        settings: Mapping[str, Any] | None = None,
        role: str = "data",
        series: int | None = None,
        key: str | None = None,
        resume: Path | None = None,
        on_progress: Told = tell_nobody,
    ) -> UploadedImage:
        """Upload a file, a folder of an image set, or an array.

        `resume`: folder by which a later process goes on with a large file that this one has not sent whole.
        """
        options = UploadOptions(microscope, profile, settings, role, series, key, resume)
        source = denoising.source_to_send(image)
        return self._lead(uploads.upload(self.conduct, source, options, on_progress))

    def image(self, image_id: str) -> UploadedImage:
        return self._lead(reading.get(self.conduct, UploadedImage, reading.path_of("images", image_id)))

    def preflight(self, spec: Mapping[str, Any]) -> Preflight:
        """Return the plan and the warnings of a job without posting it."""
        return self._lead(jobs.preflight(self.conduct, spec))

    def submit(self, spec: Mapping[str, Any], *, key: str | None = None) -> Job:
        """Post a job of any kind."""
        return self._lead(jobs.submit(self.conduct, spec, key))

    def job(self, job_id: str, *, wait_s: int = 0) -> Job:
        """Return a job: at once, or when it has ended or `wait_s` (up to 20) seconds are over."""
        return self._lead(jobs.job(self.conduct, job_id, wait_s))

    def jobs(
        self, *, state: str | None = None, kind: str | None = None, at_most: int | None = None
    ) -> list[Job]:
        """List jobs, newest first."""
        return self._lead(jobs.list_jobs(self.conduct, state, kind, at_most))

    def wait(
        self, job_id: str, *, cancel_if_interrupted: bool = False, on_progress: Told = tell_nobody
    ) -> Job:
        """Wait until a job has succeeded; raises JobFailedError if it does not."""
        wait = jobs.wait_or_cancel if cancel_if_interrupted else jobs.wait
        return self._lead(wait(self.conduct, job_id, on_progress))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that has ended stays as it is."""
        return self._lead(jobs.cancel(self.conduct, job_id))

    def results(self, image: UploadedImage, job: Job, *, output: Path | None = None) -> Denoised:
        """Download the result files of a denoise job that has succeeded."""
        return self._lead(denoising.results_of(self.conduct, image, job, output))

    def trust_reports(self, job: Job) -> list[dict[str, Any]]:
        """Return the figures behind the verdict of a job, one report for each kind of its images."""
        return self._lead(denoising.trust_reports(self.conduct, job))

    def save(self, artifact: Artifact, target: Path) -> Path:
        """Download a result file, which appears whole or not at all."""
        return self._lead(downloads.save_artifact(self.conduct, artifact, target))

    def read(self, path: str) -> bytes:
        """Download what is at a path of the server, such as a preview."""
        return self._lead(downloads.read(self.conduct, path))

    def ensure_microscope(self, name: str) -> Microscope:
        """Return the microscope of this name; create it if there is none."""
        return self._lead(registry.ensure_microscope(self.conduct, name))

    def ensure_profile(self, microscope: str, name: str) -> Profile:
        """Return the microscope's profile of this name; create it if there is none."""
        return self._lead(registry.ensure_profile(self.conduct, microscope, name))

    def noise_models(
        self,
        *,
        microscope: str | None = None,
        profile: str | None = None,
        channel: str | None = None,
        active_at: str | None = None,
    ) -> list[NoiseModel]:
        """List noise models, newest first; those that were active at a time, if one is named."""
        return self._lead(registry.list_noise_models(self.conduct, microscope, profile, channel, active_at))

    def noise_model(self, noise_model_id: str) -> NoiseModel:
        path = reading.path_of("noise-models", noise_model_id)
        return self._lead(reading.get(self.conduct, NoiseModel, path))

    def _lead(self, conversation: Conversation[Result]) -> Result:
        try:
            step = next(conversation)
            while True:
                try:
                    outcome = self._carry_out(step)
                except BaseException as error:  # noqa: BLE001  # it goes to the conversation, which raises it again
                    step = conversation.throw(error)
                else:
                    step = conversation.send(outcome)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    def _carry_out(self, step: Step) -> object:
        if isinstance(step, Request):
            return self._send(step)
        if isinstance(step, Pause):
            self._sleep(step.seconds)
            return None
        return step.run()

    def _send(self, request: Request) -> Answer | NoAnswer:
        options = request_options(request, self._limits)
        if request.body is not None:
            options["content"] = request.body.chunks()
        try:
            with self._http.stream(request.method, request.path, **options) as response:
                receiver = request.receiver
                if receiver is None or not response.is_success:
                    return answer_of(response.status_code, response.headers, response.read())
                receiver.begin(response.status_code)
                for chunk in response.iter_bytes():
                    receiver.write(chunk)
                return answer_of(response.status_code, response.headers, b"")
        except httpx2.TransportError as error:
            return NoAnswer(reason_of(error))
