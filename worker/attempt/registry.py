"""Registry for handlers: images, networks, noise models, and results of other jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from models_store.contracts.evaluation import ResultsOfJob
from models_store.contracts.job_specs import StoredSpec, stored_spec
from models_store.contracts.noise_model_specs import PoolNoiseModelSpec
from models_store.contracts.noise_models import NoiseModelParameters
from models_store.contracts.vocabulary import ImageRole, Method, NoiseModelOrigin, Output
from models_store.database.engines import Database
from models_store.database.tables import NoiseModelActivation, NoiseModelRow
from models_store.image_files.header import ImageHeader
from models_store.job_requests.detector_levels import DetectorLevels, levels_of_noise_model
from models_store.repositories.camera_checks import drift_of, noise_model_to_check
from models_store.repositories.images import get_image, get_images
from models_store.repositories.jobs.ends import group_of_stage
from models_store.repositories.jobs.part_planes import list_part_planes
from models_store.repositories.jobs.results import find_results
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.networks import get_network
from models_store.repositories.noise_model_history import retired_among
from models_store.repositories.noise_models import get_noise_model, parameters_of
from models_store.repositories.pixel_pairs import pairs_to_pool
from models_store.survey.survey import Survey, stored_survey


@dataclass(frozen=True)
class KnownImage:
    image_id: str
    filename: str
    blob_key: str
    survey: Survey | None = None
    """None if the image has not been surveyed yet."""
    series: int | None = None
    """The number of the image if its file holds several."""
    sha256: str | None = None
    """None if the file has not been read for it yet."""
    is_calibration: bool = False
    """Whether it was uploaded as frames of a static scene."""
    requested_settings: Mapping[str, Any] | None = None
    """Settings of the detector that its upload told; they win over those in the file."""

    @property
    def title(self) -> str:
        """The name of the file, and the number of the image if there are several; for messages."""
        return self.filename if self.series is None else f"{self.filename}, series {self.series}"


@dataclass(frozen=True)
class KnownNetwork:
    network_id: str
    blob_key: str
    noise_model_id: str | None
    """The noise model the network was trained with."""
    method: Method
    sha256: str = ""
    recipe: str | None = None
    """Preset, its digest and overrides; None: it was trained elsewhere."""


@dataclass(frozen=True)
class KnownNoiseModel:
    noise_model_id: str
    parameters: NoiseModelParameters
    origin: NoiseModelOrigin
    fit_quality: Mapping[str, Any]
    drift: str | None = None
    """What a check has found to have drifted; None: nothing."""
    levels: DetectorLevels = field(default_factory=DetectorLevels)
    """Of the profile that it is for."""
    camera: str | None = None
    camera_serial: str | None = None
    retired: str | None = None
    """When and why it has been retired, which may have been while the job waited; None: it has not."""


@dataclass(frozen=True)
class KnownPlanes:
    """Planes written by one part of a divided prediction."""

    job_id: str
    image_id: str
    output: Output
    blob_key: str
    sha256: str


@dataclass(frozen=True)
class KnownPixelPairs:
    """Counts of the pixel pairs of images; these may have been deleted."""

    image_ids: tuple[str, ...]
    blob_key: str


@dataclass(frozen=True)
class KnownFile:
    title: str
    blob_key: str
    series: int | None = None
    """The number of the image if its file holds several."""


@dataclass(frozen=True)
class KnownRequest:
    """The job that a user posted, or the command, to which a stage belongs."""

    job_id: str
    spec: StoredSpec
    started_at: datetime
    warnings: tuple[tuple[int | None, str], ...] = ()
    """What its plan told of the models that it reuses, each with its channel; None: of all planes."""
    group: int | None = None
    """Number of the group of its images that the stage is about; None if they are not grouped."""


class Registry(Protocol):
    """Look-ups for handlers; each raises NotFoundError for an unknown id."""

    def images(self, image_ids: Sequence[str]) -> list[KnownImage]: ...

    def header(self, image_id: str) -> ImageHeader: ...

    def network(self, network_id: str) -> KnownNetwork: ...

    def noise_model(self, noise_model_id: str) -> KnownNoiseModel: ...

    def checked_noise_model(self, job_id: str) -> KnownNoiseModel:
        """Return the active noise model of the images of a check that names none."""
        ...

    def spec(self, job_id: str) -> StoredSpec: ...

    def request(self, job_id: str) -> KnownRequest:
        """Return the request that a job is, or is a stage of."""
        ...

    def result(self, job_id: str) -> Mapping[str, Any]:
        """Return the result document of a job that has succeeded: ids, figures, reasons."""
        ...

    def part_planes(self, job_ids: Sequence[str]) -> list[KnownPlanes]:
        """Return the planes of these parts, in the order of the parts."""
        ...

    def pairs_to_pool(self, job_id: str, spec: PoolNoiseModelSpec) -> list[KnownPixelPairs]:
        """Return the kept pixel pairs that a pooling job sums up."""
        ...

    def results_of_images(self, run: ResultsOfJob) -> list[KnownFile]:
        """Return a job's result file for each of its images, in the order of the images."""
        ...


def _known_noise_model(session: Session, row: NoiseModelRow) -> KnownNoiseModel:
    drift, retired = drift_of(row), retired_among(session, [row.id]).get(row.id)
    return KnownNoiseModel(
        row.id,
        parameters_of(row),
        row.origin,
        row.fit_quality,
        drift.told if drift else None,
        levels_of_noise_model(row),
        camera=row.profile.camera if row.profile else None,
        camera_serial=row.profile.camera_serial if row.profile else None,
        retired=_retirement(retired) if retired else None,
    )


def _retirement(change: NoiseModelActivation) -> str:
    why = f": {change.reason}" if change.reason else ""
    return f"at {change.activated_at.isoformat(timespec='seconds')}{why}"


@dataclass(frozen=True)
class DatabaseRegistry:
    """Registry backed by the database; each look-up is a separate transaction."""

    database: Database

    def images(self, image_ids: Sequence[str]) -> list[KnownImage]:
        with self.database.read() as session:
            rows = get_images(session, image_ids)
        return [
            KnownImage(
                row.id,
                row.filename,
                row.blob_key,
                stored_survey(row.survey),
                row.header.get("series"),
                row.sha256,
                row.role is ImageRole.CALIBRATION,
                row.requested_settings,
            )
            for row in rows
        ]

    def header(self, image_id: str) -> ImageHeader:
        with self.database.read() as session:
            return ImageHeader.model_validate(get_image(session, image_id).header)

    def network(self, network_id: str) -> KnownNetwork:
        with self.database.read() as session:
            row = get_network(session, network_id)
        return KnownNetwork(row.id, row.blob_key, row.noise_model_id, row.method, row.sha256, row.recipe)

    def noise_model(self, noise_model_id: str) -> KnownNoiseModel:
        with self.database.read() as session:
            row = get_noise_model(session, noise_model_id)
            return _known_noise_model(session, row)

    def checked_noise_model(self, job_id: str) -> KnownNoiseModel:
        with self.database.read() as session:
            return _known_noise_model(session, noise_model_to_check(session, get_job(session, job_id)))

    def spec(self, job_id: str) -> StoredSpec:
        with self.database.read() as session:
            return stored_spec.validate_python(get_job(session, job_id).spec)

    def request(self, job_id: str) -> KnownRequest:
        with self.database.read() as session:
            row = get_job(session, job_id)
            posted = get_job(session, row.parent_id) if row.parent_id else row
            started_at = posted.started_at or posted.created_at
            told = ((step.get("channel"), step.get("warning")) for step in posted.plan)
            return KnownRequest(
                posted.id,
                stored_spec.validate_python(posted.spec),
                started_at,
                tuple((channel, warning) for channel, warning in told if warning),
                group_of_stage(row, posted.stages),
            )

    def result(self, job_id: str) -> Mapping[str, Any]:
        with self.database.read() as session:
            return get_job(session, job_id).result

    def part_planes(self, job_ids: Sequence[str]) -> list[KnownPlanes]:
        with self.database.read() as session:
            rows = list_part_planes(session, job_ids)
        return [KnownPlanes(row.job_id, row.image_id, row.output, row.blob_key, row.sha256) for row in rows]

    def pairs_to_pool(self, job_id: str, spec: PoolNoiseModelSpec) -> list[KnownPixelPairs]:
        with self.database.read() as session:
            profile_id = get_job(session, job_id).profile_id
            rows = pairs_to_pool(session, profile_id, spec) if profile_id is not None else []
        return [KnownPixelPairs(tuple(row.image_ids), row.blob_key) for row in rows]

    def results_of_images(self, run: ResultsOfJob) -> list[KnownFile]:
        with self.database.read() as session:
            return [KnownFile(row.name, row.blob_key) for row in find_results(session, run)]
