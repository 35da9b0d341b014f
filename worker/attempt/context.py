"""The context passed to a job handler."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from models_store.clock_and_ids import Clock, system_clock
from models_store.contracts.camera_figures import DriftLimits, LimitsOfCameras
from models_store.contracts.outcomes import MadeBlob
from models_store.database.engines import Database
from models_store.image_files.channels import survey_channel, survey_image
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import ImageReader
from models_store.image_files.planes import PlaneSource
from models_store.repositories.jobs.lifecycle import Claim
from models_store.settings import Settings
from models_store.survey.survey import Survey
from models_store.telemetry.traces import Tracing
from worker.attempt.checkpoints import BlobCheckpoints, attempt_prefix
from worker.attempt.device import choose_device
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.messages import Used
from worker.attempt.registry import DatabaseRegistry, KnownImage, Registry
from worker.engine.training.presets import PRESETS, TrainingPreset

Report = Callable[[float, str], None]
"""Takes the fraction done (0..1) and a one-line status."""
Warn = Callable[[str], None]
"""Takes a warning for the submitter; `Outcome.result["warnings"]` keeps it."""


@dataclass(frozen=True)
class JobContext:
    """One attempt at a job: registry, blob store, image reader, device and callbacks."""

    job_id: str
    stage: str | None
    """Stage name if the job is a stage of another job, else None."""
    attempt: int
    registry: Registry
    blobs: MeasuredBlobs
    reader: ImageReader
    device: torch.device
    report: Report
    warn: Warn
    checkpoints: BlobCheckpoints | None = None
    """None if an interrupted attempt starts over."""
    presets: Mapping[str, TrainingPreset] = field(default_factory=lambda: PRESETS)
    clock: Clock = system_clock
    drift_limits: DriftLimits = field(default_factory=DriftLimits)
    drift_limits_of_cameras: LimitsOfCameras = field(default_factory=dict)
    new_surveys: dict[str, Survey] = field(default_factory=dict)
    """Surveys made during this attempt, by image id."""

    def key(self, name: str) -> str:
        return f"{attempt_prefix(self.job_id, self.attempt)}/{name}"

    def store(self, name: str, content: bytes) -> MadeBlob:
        stored = self.blobs.put(self.key(name), content)
        return MadeBlob(key=stored.key, sha256=stored.sha256, size_bytes=stored.size_bytes)

    def store_file(self, name: str, path: Path) -> MadeBlob:
        """Move a file into the blob store."""
        stored = self.blobs.take_file(self.key(name), path)
        return MadeBlob(key=stored.key, sha256=stored.sha256, size_bytes=stored.size_bytes)

    def survey(self, images: Sequence[tuple[KnownImage, PlaneSource]], channel: int | None = None) -> Survey:
        """Return the joint survey of these images, or of one of their channels.

        Images without a survey are surveyed now, once, and so are channels of images surveyed as a whole.
        """
        return Survey.of(
            self._survey_of(image, planes)
            if channel is None
            else self._survey_of_channel(image, planes, channel)
            for image, planes in images
        )

    def _survey_of(self, image: KnownImage, planes: PlaneSource) -> Survey:
        if image.survey is None and image.image_id not in self.new_surveys:
            self.new_surveys[image.image_id] = survey_image(planes)
        return image.survey or self.new_surveys[image.image_id]

    def _survey_of_channel(self, image: KnownImage, planes: PlaneSource, channel: int) -> Survey:
        """Return the survey of a channel: if there is none, all are surveyed, so that it is kept."""
        whole = self._survey_of(image, planes)
        return whole.channels[channel] if whole.channels else survey_channel(planes, channel)

    def used(self) -> Used:
        """Return the resources used by the attempt so far."""
        peak_bytes = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None
        return Used(self.blobs.read_bytes, self.blobs.written_bytes, peak_bytes)


def _drift_limits(settings: Settings) -> DriftLimits:
    return DriftLimits(**{name: getattr(settings, f"drift_{name}") for name in DriftLimits.model_fields})


@contextmanager
def open_context(  # one for each thing that an attempt is given
    settings: Settings,
    claim: Claim,
    isolation: Isolation,
    report: Report,
    warn: Warn,
    tracing: Tracing,
    database: Database,
) -> Iterator[JobContext]:
    """Open the connections that an attempt needs, and close them at the end of the block."""
    blobs = MeasuredBlobs.of(settings, tracing)
    try:
        with isolation.reader() as reader:
            yield JobContext(
                job_id=claim.job_id,
                stage=None if claim.stage == claim.kind else claim.stage,
                attempt=claim.attempt,
                registry=DatabaseRegistry(database),
                blobs=blobs,
                reader=reader,
                device=choose_device(settings.device),
                report=report,
                warn=warn,
                checkpoints=BlobCheckpoints(blobs, claim.job_id, claim.attempt),
                drift_limits=_drift_limits(settings),
                drift_limits_of_cameras=settings.drift_limits_of_cameras,
            )
    finally:
        database.dispose()
