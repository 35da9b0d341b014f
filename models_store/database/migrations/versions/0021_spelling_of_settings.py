"""Fingerprints and detectors of profiles, computed anew: other spellings of settings are alike now."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

# What profiles are found by is what the program computes, so it is computed by the same functions.
from models_store.repositories.profile_settings import ALL_CHANNELS, DetectorSettings, fingerprint
from models_store.repositories.profiles import settings_of

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SETTINGS = (
    *("camera", "camera_serial", "readout_mode", "gain", "gain_name", "em_gain", "binning", "binning_xy"),
    *("bit_depth", "offset_adu", "region_height_px"),
)
_PROFILE = sa.table(
    "profile",
    *(sa.column(name) for name in ("id", "fingerprint", "detector", *_SETTINGS)),
    *(sa.column(name, sa.JSON()) for name in ("settings", "file_settings")),
)


def upgrade() -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(_PROFILE)).mappings().all():
        own = settings_of({name: row[name] for name in (*_SETTINGS, "settings")})
        of_file = row["file_settings"] or {}
        by_channel = {name: DetectorSettings.model_validate(each) for name, each in of_file.items()}
        found = {
            "fingerprint": row["fingerprint"] and fingerprint(by_channel or {ALL_CHANNELS: own}),
            "detector": row["detector"] and own.detector,
        }
        connection.execute(sa.update(_PROFILE).where(_PROFILE.c.id == row["id"]).values(found))


def downgrade() -> None:
    """Leave them: earlier versions find profiles whose settings they spell alike."""
