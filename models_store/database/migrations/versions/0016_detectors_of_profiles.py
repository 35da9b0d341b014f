"""Camera and readout mode of profiles, by which the nearest one is found."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PROFILE = sa.table(
    "profile",
    sa.column("id", sa.String()),
    sa.column("camera", sa.String()),
    sa.column("readout_mode", sa.String()),
    sa.column("detector", sa.String()),
)


def upgrade() -> None:
    op.add_column("profile", sa.Column("detector", sa.String(250), nullable=True))
    connection = op.get_bind()
    told = sa.select(_PROFILE.c.id, _PROFILE.c.camera, _PROFILE.c.readout_mode).where(
        _PROFILE.c.camera.is_not(None)
    )
    for row in connection.execute(told).all():
        camera, readout_mode = _alike(row.camera), _alike(row.readout_mode or "")
        if camera:
            of_row = sa.update(_PROFILE).where(_PROFILE.c.id == row.id)
            connection.execute(of_row.values(detector=f"{camera}|{readout_mode}"))
    op.create_index("ix_profile_microscope_id_profile_detector", "profile", ["microscope_id", "detector"])


def downgrade() -> None:
    op.drop_index("ix_profile_microscope_id_profile_detector", "profile")
    op.drop_column("profile", "detector")


def _alike(text: str) -> str:
    return " ".join(text.lower().split())[:100].strip()
