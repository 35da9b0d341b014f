"""Counts of pixel pairs, kept with the noise models that were fitted to them."""

from collections.abc import Collection

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from models_store.contracts.noise_model_specs import PoolNoiseModelSpec
from models_store.contracts.outcomes import MadePixelPairs
from models_store.contracts.spec_parts import MAX_IMAGES_PER_JOB
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.database.tables import Image, NoiseModelRow, PixelPairsRow
from models_store.database.visibility import SEES_ALL

_MOST_ROWS = 10 * MAX_IMAGES_PER_JOB
"""Sets that are looked through: images that were denoised often have many."""
_ROWS_AT_ONCE = 30
"""Their images are parameters of one statement, of which SQLite takes 32,766 and PostgreSQL 65,535."""


def keep_pixel_pairs(session: Session, noise_model: NoiseModelRow, made: MadePixelPairs) -> None:
    """Register the counts that a new noise model was fitted to."""
    session.add(
        PixelPairsRow(
            noise_model_id=noise_model.id,
            created_at=noise_model.created_at,
            profile_id=noise_model.profile_id,
            channel=noise_model.channel,
            origin=noise_model.origin,
            job_id=noise_model.job_id,
            image_ids=list(made.image_ids),
            pairs=made.pairs,
            signal_min_adu=made.signal_min_adu,
            signal_max_adu=made.signal_max_adu,
            saturation_adu=made.saturation_adu,
            blob_key=made.blob.key,
            sha256=made.blob.sha256,
            size_bytes=made.blob.size_bytes,
            owner_id=noise_model.owner_id,
        )
    )


def find_pixel_pairs(session: Session, noise_model_id: str) -> PixelPairsRow | None:
    """Return the counts that a noise model was fitted to; None if none are kept."""
    return session.get(PixelPairsRow, noise_model_id)


def pairs_to_pool(session: Session, profile_id: str, spec: PoolNoiseModelSpec) -> list[PixelPairsRow]:
    """Return the counts that a job pools, newest first, each image once: with those counted last.

    Images with the same content, such as a file that was uploaded twice, are one. Those of calibrations are
    taken only for images that are named.
    """
    query = select(PixelPairsRow).where(
        PixelPairsRow.profile_id == profile_id, PixelPairsRow.channel.is_not_distinct_from(spec.channel)
    )
    origins = [NoiseModelOrigin.BOOTSTRAP]
    if spec.image_ids is not None:
        origins.append(NoiseModelOrigin.CALIBRATION)
    query = query.where(PixelPairsRow.origin.in_(origins))
    if spec.counted_since is not None:
        query = query.where(PixelPairsRow.created_at >= spec.counted_since)
    if spec.counted_before is not None:
        query = query.where(PixelPairsRow.created_at < spec.counted_before)
    newest_first = query.order_by(PixelPairsRow.created_at.desc(), PixelPairsRow.noise_model_id.desc())
    named = None if spec.image_ids is None else set(spec.image_ids)
    found: list[PixelPairsRow] = []
    counted = set[str]()
    for rows in session.scalars(newest_first.limit(_MOST_ROWS)).partitions(_ROWS_AT_ONCE):
        contents = _contents(session, {image_id for row in rows for image_id in row.image_ids})
        for row in rows:
            of_row = {contents.get(image_id, image_id) for image_id in row.image_ids}
            if of_row.isdisjoint(counted) and (named is None or named.issuperset(row.image_ids)):
                found.append(row)
                counted |= of_row
            if len(counted) >= MAX_IMAGES_PER_JOB:
                return found
    return found


def _contents(session: Session, image_ids: Collection[str]) -> dict[str, str]:
    """Return what tells the contents of images apart, by id; deleted images have none."""
    query = select(Image.id, Image.sha256, Image.series).where(Image.id.in_(image_ids))
    return {image_id: f"{sha256} {series}" for image_id, sha256, series in session.execute(query)}


def delete_pixel_pairs(session: Session, noise_model_id: str) -> list[str]:
    """Delete the counts of a noise model, if they are kept; return the keys of their blobs."""
    deleted = delete(PixelPairsRow).where(PixelPairsRow.noise_model_id == noise_model_id)
    return list(session.scalars(deleted.returning(PixelPairsRow.blob_key), execution_options=SEES_ALL))
