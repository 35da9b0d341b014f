"""Checks of cameras against their noise models, and the marks of those that have drifted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("noise_model", sa.Column("drift", sa.JSON(), nullable=True))
    op.create_table(
        "camera_check",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("profile_id", sa.String(length=40), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("noise_model_id", sa.String(length=40), nullable=False),
        sa.Column("noise_model_version", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("camera", sa.String(length=200), nullable=True),
        sa.Column("camera_serial", sa.String(length=200), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("effect", sa.String(length=16), nullable=True),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("event_attempts", sa.Integer(), nullable=False),
        sa.Column("event_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_error", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profile.id"], name=op.f("fk_camera_check_profile_id_profile")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_camera_check")),
    )
    for name, columns in _INDEXES.items():
        op.create_index(name, "camera_check", columns)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, "camera_check")
    op.drop_table("camera_check")
    op.drop_column("noise_model", "drift")


_INDEXES = {
    "ix_camera_check_profile_id_camera_check_created_at": ["profile_id", "created_at"],
    "ix_camera_check_created_at_camera_check_id": ["created_at", "id"],
    "ix_camera_check_noise_model_id": ["noise_model_id"],
    "ix_camera_check_event_due_at": ["event_due_at"],
}
