"""Numbers of profiles and active noise models of microscopes, counted by the database."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models_store.database.tables import NoiseModelRow, Profile
from models_store.repositories.noise_model_history import active_of_profiles


@dataclass(frozen=True)
class MicroscopeCounts:
    profiles: int
    active: int
    """Active noise models, one for each profile and channel that has one."""
    drifted: int
    """Those of them whose camera has drifted since."""


def counts_of_microscopes(session: Session, microscope_ids: Collection[str]) -> dict[str, MicroscopeCounts]:
    """Count for all microscopes at once, in two statements whatever the number of rows."""
    of_microscopes = Profile.microscope_id.in_(microscope_ids)
    owner = Profile.microscope_id
    counted = select(owner, func.count(Profile.id)).where(of_microscopes).group_by(owner)
    profiles = dict(session.execute(counted).all())
    active = (
        active_of_profiles(select(NoiseModelRow), None, select(Profile.id).where(of_microscopes))
        .join(Profile, Profile.id == NoiseModelRow.profile_id)
        .with_only_columns(owner, func.count(NoiseModelRow.id), func.count(NoiseModelRow.drift))
        .group_by(owner)
    )
    models = {microscope_id: (number, drifted) for microscope_id, number, drifted in session.execute(active)}
    return {
        each: MicroscopeCounts(profiles.get(each, 0), *models.get(each, (0, 0))) for each in microscope_ids
    }
