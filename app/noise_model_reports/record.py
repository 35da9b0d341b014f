"""Everything that is known of a noise model, as one document."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.documents.noise_models import (
    HistoryDocument,
    NoiseModelDocument,
    history_documents,
    noise_model_document,
)
from models_store.blobs.blobs import Blobs
from models_store.contracts.noise_models import NoiseModelParameters
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.database.tables import NoiseModelActivation, NoiseModelRow, PixelPairsRow
from models_store.errors import NotFoundError
from models_store.noise_model_files.pixel_pairs import PixelPairs
from models_store.noise_model_files.variance_line import VarianceLine, line_of_model, line_of_points
from models_store.repositories.noise_model_history import changes_of_place
from models_store.repositories.noise_models import get_noise_model, parameters_of
from models_store.repositories.pixel_pairs import find_pixel_pairs

_MAX_VERSIONS = 100


class LineDocument(BaseModel):
    """Variance of the noise as a line over the signal."""

    gain_adu: float = Field(description="Slope, in ADU per electron.")
    intercept_adu2: float = Field(description="Read noise squared minus gain times offset, ADU^2.")

    @classmethod
    def of(cls, line: VarianceLine | None) -> Self | None:
        return cls(gain_adu=line.gain_adu, intercept_adu2=line.intercept_adu2) if line else None


class PhotonTransferDocument(BaseModel):
    """Photon transfer curve of the pixel pairs, by rising signal, and the line through it."""

    signal_adu: list[float]
    variance_adu2: list[float]
    pixels: list[int]
    line: LineDocument | None


class PixelPairsDocument(BaseModel):
    """Counts of the pixel pairs that the noise model was fitted to."""

    pairs: int
    signal_min_adu: float
    signal_max_adu: float
    saturation_adu: float | None
    image_ids: list[str]
    counted_at: datetime
    sha256: str
    photon_transfer: PhotonTransferDocument | None = Field(description="Null: the file of counts is lost.")


class ActiveSpan(BaseModel):
    since: datetime
    until: datetime | None


class VersionDocument(BaseModel):
    """A version that was active for the same profile and channel, or this one."""

    noise_model_id: str
    version: int
    origin: NoiseModelOrigin
    created_at: datetime
    gain_adu: float | None = Field(
        description="Slope of the line through its variances, in ADU per electron."
    )
    active: list[ActiveSpan]


class NoiseModelRecord(BaseModel):
    """Everything about a noise model: document, all parameters, evidence, and history."""

    noise_model: NoiseModelDocument
    parameters: NoiseModelParameters = Field(
        description="All parameters. The probabilities of a histogram, one row of observations per signal, "
        "are base64 of zlib of little-endian float32 (bins x bins)."
    )
    variance_line: LineDocument | None = Field(description="Line through the variances of the model.")
    pixel_pairs: PixelPairsDocument | None = Field(description="Null: imported, or no longer kept.")
    history: list[HistoryDocument] = Field(description="Changes of its profile and channel, oldest first.")
    versions: list[VersionDocument] = Field(description="The newest 100 that were active, oldest first.")


def noise_model_record(session: Session, blobs: Blobs, noise_model_id: str) -> NoiseModelRecord:
    """Return the record of a noise model. Raises NotFoundError."""
    row = get_noise_model(session, noise_model_id)
    parameters = parameters_of(row)
    changes = changes_of_place(session, row.profile_id, row.channel) if row.profile_id else []
    return NoiseModelRecord(
        noise_model=noise_model_document(session, row),
        parameters=parameters,
        variance_line=LineDocument.of(line_of_model(parameters)),
        pixel_pairs=_pixel_pairs(find_pixel_pairs(session, row.id), blobs),
        history=history_documents(session, changes),
        versions=_versions(session, row, changes),
    )


def kept_pairs(session: Session, blobs: Blobs, noise_model_id: str) -> PixelPairs | None:
    """Return the counts that a noise model was fitted to, if they are kept."""
    row = find_pixel_pairs(session, noise_model_id)
    return _read(row, blobs) if row is not None else None


def _pixel_pairs(row: PixelPairsRow | None, blobs: Blobs) -> PixelPairsDocument | None:
    if row is None:
        return None
    pairs = _read(row, blobs)
    return PixelPairsDocument(
        pairs=row.pairs,
        signal_min_adu=row.signal_min_adu,
        signal_max_adu=row.signal_max_adu,
        saturation_adu=row.saturation_adu,
        image_ids=row.image_ids,
        counted_at=row.created_at,
        sha256=row.sha256,
        photon_transfer=_photon_transfer(pairs) if pairs is not None else None,
    )


def _read(row: PixelPairsRow, blobs: Blobs) -> PixelPairs | None:
    try:
        return PixelPairs.from_bytes(blobs.get(row.blob_key))
    except NotFoundError:
        # The sweeper reports it. All else that is known of the noise model can be told.
        return None


def _photon_transfer(pairs: PixelPairs) -> PhotonTransferDocument:
    points = pairs.photon_transfer_curve()
    return PhotonTransferDocument(
        signal_adu=points.signal_adu.tolist(),
        variance_adu2=points.variance_adu2.tolist(),
        pixels=points.pixels.astype(int).tolist(),
        line=LineDocument.of(line_of_points(points)),
    )


def _versions(
    session: Session, row: NoiseModelRow, changes: list[NoiseModelActivation]
) -> list[VersionDocument]:
    spans: dict[str, list[ActiveSpan]] = {row.id: []}
    for number, change in enumerate(changes):
        if change.active_id is None:
            continue
        until = changes[number + 1].activated_at if number + 1 < len(changes) else None
        of_version = spans.setdefault(change.active_id, [])
        if of_version and of_version[-1].until == change.activated_at:
            of_version[-1].until = until
        else:
            of_version.append(ActiveSpan(since=change.activated_at, until=until))
    found = [session.get(NoiseModelRow, noise_model_id) for noise_model_id in spans]
    stored = sorted((each for each in found if each is not None), key=lambda each: each.version)
    return [_version(each, spans[each.id]) for each in stored[-_MAX_VERSIONS:]]


def _version(row: NoiseModelRow, spans: list[ActiveSpan]) -> VersionDocument:
    line = line_of_model(parameters_of(row))
    return VersionDocument(
        noise_model_id=row.id,
        version=row.version,
        origin=row.origin,
        created_at=row.created_at,
        gain_adu=line.gain_adu if line else None,
        active=spans,
    )
