"""Denoise an image: upload, job, results."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearscope_client.arrays import (
    Array,
    ImageArray,
    image_array,
    ome_tiff,
    read_tiff,
    shaped_like,
    with_axes_of,
)
from clearscope_client.documents import Artifact, Job, Trust, UploadedImage
from clearscope_client.downloads import read_artifact, save_artifact
from clearscope_client.errors import ArrayUnsupportedError
from clearscope_client.jobs import submit, wait, wait_or_cancel
from clearscope_client.progress import Told, tell_nobody
from clearscope_client.reading import get, path_of
from clearscope_client.retrying import Conduct
from clearscope_client.sources import BytesSource, Source, source_of
from clearscope_client.steps import Conversation, work
from clearscope_client.uploads import UploadOptions, upload

TRUST_REPORT = "trust-report.json"

Sent = Path | str | Source | ImageArray | Array


@dataclass(frozen=True)
class ResultFile:
    """A result file: in a folder (`path`), or in memory (`content`)."""

    artifact: Artifact
    path: Path | None
    content: bytes | None

    def read(self) -> bytes:
        if self.content is not None:
            return self.content
        if self.path is None:
            raise ArrayUnsupportedError(f"{self.artifact.name} was not downloaded")
        return self.path.read_bytes()


@dataclass(frozen=True)
class Denoised:
    """Result of a denoising; `images` has the documents of all images in the file, by their ids."""

    image: UploadedImage
    images: Mapping[str, UploadedImage]
    job: Job
    files: tuple[ResultFile, ...]
    sent: ImageArray | None = None

    @property
    def trust(self) -> Trust | None:
        """Whether to trust the result, and why."""
        return self.job.result.trust if self.job.result else None

    @property
    def warnings(self) -> tuple[str, ...]:
        of_job = self.job.result.warnings if self.job.result else ()
        return tuple(dict.fromkeys((*self.image.warnings, *of_job)))

    def arrays(self, output: str = "denoised") -> list[ImageArray]:
        """Return an output of each image, in the order of the file; raises ArrayUnsupportedError."""
        return [self._array(each) for each in self.files if each.artifact.output == output]

    def array(self, output: str = "denoised") -> ImageArray:
        """Return an output of the only image; an array that was sent gives one of the same axes and shape."""
        found = self.arrays(output)
        if len(found) != 1:
            raise ArrayUnsupportedError(f"the job has {len(found)} images {output!r}; see files and arrays()")
        return found[0]

    def _array(self, file: ResultFile) -> ImageArray:
        artifact = file.artifact
        pixels, axes = read_tiff(file.read(), artifact.name, artifact.media_type)
        image = self.images.get(artifact.image_id or "")
        if image is None:
            return ImageArray(pixels, axes, name=artifact.name)
        found = with_axes_of(image.header, pixels, axes, artifact.name)
        return found if self.sent is None else shaped_like(self.sent, found)


@dataclass(frozen=True)
class DenoiseOptions:
    """What to do with an image.

    `spec`: fields of the job beside its images, such as preset and seed. `output`: folder for the result
    files; None: they are kept in memory. `job_key`: Idempotency-Key of the job. `cancels`: cancel the job if
    the caller is interrupted.
    """

    upload: UploadOptions
    spec: Mapping[str, Any]
    output: Path | None = None
    job_key: str | None = None
    cancels: bool = False


def denoise(
    conduct: Conduct, sent: Sent, options: DenoiseOptions, on_progress: Told = tell_nobody
) -> Conversation[Denoised]:
    """Upload an image, denoise it and bring the results back."""
    array = None if isinstance(sent, Path | str | Source) else image_array(sent)
    source = yield from work(lambda: source_to_send(sent))
    image = yield from upload(conduct, source, options.upload, on_progress)
    spec = {"kind": "denoise", "image_ids": [image.id], **options.spec}
    posted = yield from submit(conduct, spec, options.job_key)
    waiting = wait_or_cancel if options.cancels else wait
    job = yield from waiting(conduct, posted.id, on_progress, posted)
    return (yield from results_of(conduct, image, job, options.output, array))


def results_of(
    conduct: Conduct, image: UploadedImage, job: Job, output: Path | None, sent: ImageArray | None = None
) -> Conversation[Denoised]:
    """Download the result files of a job that has succeeded."""
    artifacts = job.result.artifacts if job.result else ()
    images = {image.id: image}
    for image_id in dict.fromkeys(each.image_id for each in artifacts if each.image_id):
        if image_id not in images:
            images[image_id] = yield from get(conduct, UploadedImage, path_of("images", image_id))
    files = []
    for artifact, name in zip(artifacts, file_names(artifacts), strict=True):
        if output is None:
            content = yield from read_artifact(conduct, artifact)
            files.append(ResultFile(artifact, None, content))
        else:
            path = yield from save_artifact(conduct, artifact, output / name)
            files.append(ResultFile(artifact, path, None))
    return Denoised(image, images, job, tuple(files), sent)


def file_names(artifacts: Sequence[Artifact]) -> list[str]:
    """Return another name for each file: the server's, or numbered if it is of an earlier version."""
    given = [each.download_name or each.name for each in artifacts]
    counts = Counter(given)
    numbers: Counter[str] = Counter()
    names = []
    for told in given:
        name = Path(told).name
        names.append(f"{numbers[name]}-{name}" if counts[told] > 1 else name)
        numbers[name] += 1
    return names


def trust_reports(conduct: Conduct, job: Job) -> Conversation[list[dict[str, Any]]]:
    """Return the figures behind the verdict of a job, one report for each kind of its images."""
    reports = []
    for artifact in job.result.artifacts if job.result else ():
        if artifact.name == TRUST_REPORT:
            content = yield from read_artifact(conduct, artifact)
            reports.append(json.loads(content))
    return reports


def source_to_send(sent: Sent) -> Source:
    """Return what is uploaded of a path, a source or an array."""
    if isinstance(sent, Path | str):
        return source_of(Path(sent))
    if isinstance(sent, Source):
        return sent
    image = image_array(sent)
    return BytesSource(f"{image.name}.ome.tif", ome_tiff(image))
