"""Documents of the server's API; fields that this version does not know are kept as they are."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """Base of all documents."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Microscope(Document):
    id: str
    name: str
    description: str
    manufacturer: str | None = None
    model: str | None = None
    modality: str | None = None
    site: str | None = None
    notes: str | None = None
    created_at: datetime


class Profile(Document):
    """Acquisition settings of a microscope that determine the noise of its images."""

    id: str
    microscope: str
    name: str
    camera: str | None = None
    readout_mode: str | None = None
    gain: float | None = None
    binning: int | None = None
    exposure_ms: float | None = None
    bit_depth: int | None = None
    offset_adu: float | None = None
    created_at: datetime


class Origin(Document):
    """Microscope and profile of an image or noise model."""

    microscope: str
    profile: str
    profile_id: str


class PixelSize(Document):
    """Distance between neighbouring pixels, in micrometres; z is the distance between planes."""

    x_um: float
    y_um: float
    z_um: float | None = None


class ImageHeader(Document):
    """Axes and shape of an image, ending in (Y, X); axes of length one are dropped."""

    axes: str
    shape: tuple[int, ...]
    dtype: str
    planes: int
    height_px: int
    width_px: int
    pixel_size_um: PixelSize | None
    channel_names: tuple[str, ...]
    file_kind: str
    decoded_bytes: int
    warnings: tuple[str, ...] = ()
    series: int | None = None


class Series(Document):
    """One of several images in a file; `unusable` is why it cannot be denoised."""

    index: int
    name: str
    axes: str
    shape: tuple[int, ...]
    image_id: str | None
    unusable: str | None


class UploadedImage(Document):
    id: str
    filename: str
    role: str
    sha256: str
    size_bytes: int
    header: ImageHeader
    origin: Origin | None
    profile_choice: str | None = None
    warnings: tuple[str, ...] = ()
    parent_id: str | None = None
    series: tuple[Series, ...] = ()
    content_href: str
    preview_href: str
    created_at: datetime


class ArtifactSeries(Document):
    """One of several images in a file: its number, counted from 0, and its name."""

    index: int
    name: str


class Artifact(Document):
    """A result file; `output` is what it holds of the image `image_id`, if it is an image.

    `group`: which of the job's `values["groups"]` it belongs to, counted from 0; `series`: the images of a
    file that it is about. `download_name` is another for each file of a job.
    """

    id: str
    name: str
    media_type: str
    image_id: str | None
    output: str | None
    download_name: str | None = None
    group: int | None = None
    series: tuple[ArtifactSeries, ...] = ()
    sha256: str
    size: int
    href: str


class Trust(Document):
    """Verdict on a result (`trust`, `check` or `do_not_trust`), and the reason in one sentence."""

    verdict: str
    sentence: str


class JobError(Document):
    code: str
    detail: str
    stage: str | None = None
    channel: int | None = None


class JobResult(Document):
    """Figures and ids (`values`), files, and whether to trust them."""

    values: dict[str, Any]
    artifacts: tuple[Artifact, ...]
    trust: Trust | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self.values.get("warnings", ()))


class PlanStep(Document):
    """One step of a job: computed, taken from what is stored (`id`), or skipped."""

    stage: str
    action: str
    why: str
    id: str | None = None
    channel: int | None = None
    series: tuple[int, ...] | None = None
    image_ids: tuple[str, ...] | None = None
    parts: int = 1
    warning: str | None = None


class Stage(Document):
    """Progress (0 to 1) of one stage of a job."""

    id: str
    stage: str
    kind: str
    channel: int | None = None
    state: str
    progress: float
    status: str
    attempt: int
    started_at: datetime | None
    ended_at: datetime | None


class Job(Document):
    """A job; `state` is queued, running, succeeded, failed or cancelled."""

    id: str
    kind: str
    spec: dict[str, Any]
    state: str
    progress: float
    stage: str
    status: str
    attempt: int
    plan: tuple[PlanStep, ...]
    stages: tuple[Stage, ...]
    error: JobError | None
    result: JobResult | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.state not in {"queued", "running"}


class ExpectedTime(Document):
    """Between which times a job will end once it runs, as so many earlier jobs tell."""

    shortest_s: float
    longest_s: float
    jobs: int


class Preflight(Document):
    """Plan, warnings and expected time of a job that was not posted."""

    plan: tuple[PlanStep, ...]
    warnings: tuple[str, ...] = ()
    expected_time: ExpectedTime | None = None


class NoiseModel(Document):
    """A version of a profile's noise model; `active` tells whether jobs use it now."""

    id: str
    version: int
    kind: str
    origin: str
    belongs_to: Origin | None
    channel: str | None = None
    signal_min_adu: float
    signal_max_adu: float
    parameters: dict[str, Any]
    fit_quality: dict[str, Any]
    active: bool = False
    job_id: str | None
    created_at: datetime
