"""Planes of a prediction's parts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "part_planes",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("image_id", sa.String(length=40), nullable=False),
        sa.Column(
            "output",
            sa.Enum("denoised", "prior_mean", "posterior_std", name="output", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("blob_key", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_part_planes_job_id_job")),
        sa.PrimaryKeyConstraint("job_id", "image_id", "output", name=op.f("pk_part_planes")),
    )


def downgrade() -> None:
    op.drop_table("part_planes")
