"""Counts of pixel pairs, kept with the noise models that were fitted to them."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from models_store.contracts.outcomes import MadePixelPairs
from models_store.database.tables import NoiseModelRow, PixelPairsRow
from models_store.database.visibility import SEES_ALL


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


def delete_pixel_pairs(session: Session, noise_model_id: str) -> list[str]:
    """Delete the counts of a noise model, if they are kept; return the keys of their blobs."""
    deleted = delete(PixelPairsRow).where(PixelPairsRow.noise_model_id == noise_model_id)
    return list(session.scalars(deleted.returning(PixelPairsRow.blob_key), execution_options=SEES_ALL))
