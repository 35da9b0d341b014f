"""Counts of the pixel pairs that noise models were fitted to."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "pixel_pairs",
        sa.Column("noise_model_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("profile_id", sa.String(length=40), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("image_ids", sa.JSON(), nullable=False),
        sa.Column("pairs", sa.BigInteger(), nullable=False),
        sa.Column("signal_min_adu", sa.Double(), nullable=False),
        sa.Column("signal_max_adu", sa.Double(), nullable=False),
        sa.Column("saturation_adu", sa.Double(), nullable=True),
        sa.Column("blob_key", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["noise_model_id"], ["noise_model.id"], name=op.f("fk_pixel_pairs_noise_model_id_noise_model")
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profile.id"], name=op.f("fk_pixel_pairs_profile_id_profile")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["api_key.id"], name=op.f("fk_pixel_pairs_owner_id_api_key")),
        sa.PrimaryKeyConstraint("noise_model_id", name=op.f("pk_pixel_pairs")),
    )
    op.create_index("ix_pixel_pairs_place", "pixel_pairs", ["profile_id", "channel", "created_at"])
    for column in ("created_at", "blob_key", "owner_id"):
        op.create_index(op.f(f"ix_pixel_pairs_{column}"), "pixel_pairs", [column])


def downgrade() -> None:
    op.drop_table("pixel_pairs")
