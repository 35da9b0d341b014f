"""The documents that the API answers with."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from app.documents.stages import StageDocument, stage_documents, weighted_progress
from models_store.contracts.noise_models import NoiseModelOutline, noise_model_outline
from models_store.contracts.plans import PlanStep
from models_store.contracts.vocabulary import (
    ImageRole,
    JobState,
    Method,
    NoiseModelKind,
    NoiseModelOrigin,
    Output,
    Preset,
)
from models_store.database.tables import (
    Artifact,
    Image,
    Job,
    JobEvent,
    Microscope,
    Network,
    NoiseModel,
    Profile,
)
from models_store.image_files.header import ImageHeader


class MicroscopeDocument(BaseModel):
    id: str
    name: str
    description: str
    created_at: datetime

    @classmethod
    def of(cls, row: Microscope) -> Self:
        return cls(id=row.id, name=row.name, description=row.description, created_at=row.created_at)


class ProfileDocument(BaseModel):
    id: str
    microscope: str
    name: str
    camera: str | None
    readout_mode: str | None
    gain: float | None
    binning: int | None
    exposure_ms: float | None
    bit_depth: int | None
    offset_adu: float | None
    created_at: datetime

    @classmethod
    def of(cls, row: Profile) -> Self:
        return cls.model_validate(
            {**{name: getattr(row, name) for name in cls.model_fields}, "microscope": row.microscope.name}
        )


class Origin(BaseModel):
    """The microscope and acquisition profile that something belongs to."""

    microscope: str
    profile: str
    profile_id: str

    @classmethod
    def of(cls, row: Profile | None) -> Self | None:
        if row is None:
            return None
        return cls(microscope=row.microscope.name, profile=row.name, profile_id=row.id)


class ImageDocument(BaseModel):
    id: str
    filename: str
    role: ImageRole
    sha256: str
    size_bytes: int
    header: ImageHeader
    origin: Origin | None
    content_href: str
    preview_href: str
    created_at: datetime

    @classmethod
    def of(cls, row: Image) -> Self:
        return cls(
            id=row.id,
            filename=row.filename,
            role=row.role,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            header=ImageHeader.model_validate(row.header),
            origin=Origin.of(row.profile),
            content_href=f"/v1/images/{row.id}/content",
            preview_href=f"/v1/images/{row.id}/preview.png",
            created_at=row.created_at,
        )


class NoiseModelDocument(BaseModel):
    id: str
    version: int
    kind: NoiseModelKind
    origin: NoiseModelOrigin
    belongs_to: Origin | None
    signal_min_adu: float
    signal_max_adu: float
    parameters: NoiseModelOutline
    fit_quality: dict[str, Any]
    job_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: NoiseModel) -> Self:
        return cls(
            id=row.id,
            version=row.version,
            kind=NoiseModelKind(row.kind),
            origin=row.origin,
            belongs_to=Origin.of(row.profile),
            signal_min_adu=row.signal_min_adu,
            signal_max_adu=row.signal_max_adu,
            parameters=noise_model_outline.validate_python(row.parameters),
            fit_quality=row.fit_quality,
            job_id=row.job_id,
            created_at=row.created_at,
        )


class NetworkDocument(BaseModel):
    id: str
    method: Method
    preset: Preset
    recipe: str
    noise_model_id: str | None
    belongs_to: Origin | None
    description: dict[str, Any]
    sha256: str
    size_bytes: int
    content_href: str
    job_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Network) -> Self:
        return cls(
            id=row.id,
            method=row.method,
            preset=row.preset,
            recipe=row.recipe,
            noise_model_id=row.noise_model_id,
            belongs_to=Origin.of(row.profile),
            description=row.description,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            content_href=f"/v1/networks/{row.id}/content",
            job_id=row.job_id,
            created_at=row.created_at,
        )


class ArtifactDocument(BaseModel):
    id: str
    name: str
    media_type: str
    image_id: str | None
    output: Output | None
    sha256: str
    size: int
    href: str

    @classmethod
    def of(cls, row: Artifact) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            media_type=row.media_type,
            image_id=row.image_id,
            output=row.output,
            sha256=row.sha256,
            size=row.size_bytes,
            href=f"/v1/artifacts/{row.id}/content",
        )


class JobError(BaseModel):
    code: str
    detail: str
    stage: str | None = None


class JobResult(BaseModel):
    """What a succeeded job made: `values` says what, `artifacts` are files to download."""

    values: dict[str, Any]
    artifacts: list[ArtifactDocument]


class JobDocument(BaseModel):
    id: str
    kind: str
    spec: dict[str, Any]
    state: JobState
    progress: float
    stage: str
    status: str
    attempt: int
    plan: list[PlanStep]
    stages: list[StageDocument]
    error: JobError | None
    result: JobResult | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Job, artifacts: list[Artifact]) -> Self:
        stages = stage_documents(row.stages)
        current = next((stage for stage in stages if not stage.state.ended), row)
        result = JobResult(values=row.result, artifacts=[ArtifactDocument.of(item) for item in artifacts])
        return cls(
            id=row.id,
            kind=row.kind,
            spec=row.spec,
            state=row.state,
            progress=overall_progress(row),
            stage=current.stage,
            status=current.status,
            attempt=row.attempt,
            plan=[PlanStep.model_validate(step) for step in row.plan],
            stages=stages,
            error=JobError.model_validate(row.error) if row.error else None,
            result=result if row.state is JobState.SUCCEEDED else None,
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )


def overall_progress(job: Job) -> float:
    """Give a job's own progress, or that of its stages by their weights."""
    if not job.stages or job.state is JobState.SUCCEEDED:
        return job.progress
    return weighted_progress(job.stages)


class EventDocument(BaseModel):
    number: int
    job_id: str
    at: datetime
    kind: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, row: JobEvent) -> Self:
        return cls(number=row.number, job_id=row.job_id, at=row.at, kind=row.kind, detail=row.detail)
