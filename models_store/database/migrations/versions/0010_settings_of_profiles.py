"""Detector settings of profiles, by which files find them, and how an image came to its profile."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PROFILE: dict[str, sa.types.TypeEngine[Any]] = {
    "camera_serial": sa.String(200),
    "gain_name": sa.String(200),
    "em_gain": sa.Double(),
    "file_settings": sa.JSON(),
    "fingerprint": sa.String(64),
}


def upgrade() -> None:
    for name, type_ in _PROFILE.items():
        op.add_column("profile", sa.Column(name, type_, nullable=True))
    op.create_index(
        "ix_profile_microscope_id_profile_fingerprint", "profile", ["microscope_id", "fingerprint"]
    )
    op.add_column("image", sa.Column("profile_choice", sa.String(20), nullable=True))


def downgrade() -> None:
    op.drop_column("image", "profile_choice")
    op.drop_index("ix_profile_microscope_id_profile_fingerprint", "profile")
    for name in _PROFILE:
        op.drop_column("profile", name)
